package corpus

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"sync"
)

// DefaultName is the name of the embedded corpus.
const DefaultName = "moby-dick"

//go:embed moby_dick.txt.gz
var mobyDick []byte

// Default is the embedded corpus, 1.2 MB of one novel in English (see ORIGIN.md).
var Default = sync.OnceValue(func() []byte {
	z, err := gzip.NewReader(bytes.NewReader(mobyDick))
	if err == nil {
		var text []byte
		if text, err = io.ReadAll(z); err == nil {
			return text
		}
	}
	panic("corpus: the embedded text does not decompress: " + err.Error())
})
