package report

import (
	"fmt"
	"strings"
)

// slugs are names for files and elements of a page, one for each group: what depends on the
// model's name alone stays the same when models are added.
func slugs(groups []*Group) []string {
	taken := map[string]bool{}
	out := make([]string, len(groups))
	for i, g := range groups {
		name := slug(g.Name)
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", slug(g.Name), n)
		}
		taken[name], out[i] = true, name
	}
	return out
}

// slug is a name in small letters and digits, with a dash for everything else.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	if len(words) == 0 {
		return "model"
	}
	return strings.Join(words, "-")
}
