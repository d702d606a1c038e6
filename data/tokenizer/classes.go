package tokenizer

import (
	"fmt"
	"slices"
	"unicode"
)

// classes parts the characters by what a pattern can tell apart. The last class is the end
// of the text.
type classes struct {
	count   int
	low     [1 << 16]uint8 // of the characters below 2¹⁶
	ofByte  [256]uint8     // of the characters that stand for bytes
	bounds  []rune         // where another class begins
	classAt []uint8        // the class from there on
	members [][]bool       // by class and set
}

// newClasses parts the characters by the sets that have them.
func newClasses(sets []set) (classes, error) {
	c := classes{bounds: []rune{0}}
	for _, s := range sets {
		for i := 0; i+1 < len(s.ranges); i += 2 {
			c.bounds = append(c.bounds, s.ranges[i], s.ranges[i+1]+1)
		}
	}
	slices.Sort(c.bounds)
	c.bounds = slices.Compact(c.bounds)
	numbers := map[string]uint8{}
	for i, from := range c.bounds {
		key := make([]byte, len(sets))
		for k, s := range sets {
			if s.has(from) {
				key[k] = 1
			}
		}
		n, ok := numbers[string(key)]
		if !ok {
			if len(numbers) == 254 {
				return c, fmt.Errorf("tells more than %d classes of characters apart", len(numbers))
			}
			n = uint8(len(numbers))
			numbers[string(key)] = n
			member := make([]bool, len(sets))
			for k := range sets {
				member[k] = key[k] == 1
			}
			c.members = append(c.members, member)
		}
		c.classAt = append(c.classAt, n)
		to := rune(unicode.MaxRune + 1)
		if i+1 < len(c.bounds) {
			to = c.bounds[i+1]
		}
		for r := from; r < min(to, 1<<16); r++ {
			c.low[r] = n
		}
	}
	c.members = append(c.members, make([]bool, len(sets)))
	c.count = len(c.members)
	for b, r := range spelled {
		c.ofByte[b] = c.low[r]
	}
	return c, nil
}

// of is the class of a character.
func (c *classes) of(r rune) uint8 {
	if r < 1<<16 {
		return c.low[r]
	}
	at, found := slices.BinarySearch(c.bounds, r)
	if !found {
		at--
	}
	return c.classAt[at]
}

// in reports whether a set has the characters of a class.
func (c *classes) in(class, set int) bool { return c.members[class][set] }
