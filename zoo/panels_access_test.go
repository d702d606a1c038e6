package zoo

import "strings"

// Panels is the number of weights that long prompts read in panels.
func (d *Decoder) Panels() int {
	n := 0
	for name := range d.hoisted {
		if strings.Contains(name, "/panels") {
			n++
		}
	}
	return n
}
