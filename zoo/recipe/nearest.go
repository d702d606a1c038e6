package recipe

import (
	"fmt"
	"strings"
)

// didYouMean is a hint that names the choice nearest to what was written, or all of them
// when none is near.
func didYouMean(written string, choices []string) string {
	if near := Nearest(written, choices); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(choices) == 0 {
		return ""
	}
	return "known: " + strings.Join(choices, ", ")
}

// Nearest is the choice of smallest edit distance to s, "" when every one is further than
// a third of the longer word (at least two edits); the first of equals.
func Nearest(s string, choices []string) string {
	best, bestDistance := "", 0
	for _, c := range choices {
		limit := max(2, max(len(s), len(c))/3)
		if len(s) > 3*len(c)+limit {
			continue
		}
		d := editDistance(s, c)
		if d <= limit && d < len(c) && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of neighbours, in
// bytes.
func editDistance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
