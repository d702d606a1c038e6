package zoo

import "strings"

// CacheRows is the number of tokens that the largest attention cache has room for, 0 for a
// model without attention.
func (d *Decoder) CacheRows() int {
	most := 0
	for _, s := range d.each.States {
		if shape := d.states[s.Name].Shape(); len(s.In.Shape()) == 4 && strings.HasPrefix(s.Name, "key.") {
			most = max(most, shape[2])
		}
	}
	return most
}
