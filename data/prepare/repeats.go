package prepare

import "fmt"

// maxDocuments is how many different documents are told apart: some 1.5 GB of hashes.
const maxDocuments = 1 << 25

// repeats knows documents by 128 bits of their SHA-256: two different ones in a million
// million are taken for the same with a chance below 1 in 10^14.
type repeats struct{ seen map[[16]byte]struct{} }

// add reports whether a document has been there before.
func (r *repeats) add(sum [32]byte) (again bool, err error) {
	key := [16]byte(sum[:16])
	if _, again = r.seen[key]; again {
		return true, nil
	}
	if len(r.seen) == maxDocuments {
		return false, fmt.Errorf("more than %d different documents: their repeats cannot be dropped in bounded memory; leave out --dedup", maxDocuments)
	}
	if r.seen == nil {
		r.seen = map[[16]byte]struct{}{}
	}
	r.seen[key] = struct{}{}
	return false, nil
}
