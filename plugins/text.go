package plugins

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cleanText makes text from a plugin safe for a terminal and a log: escape
// sequences and control characters go, invalid UTF-8 becomes U+FFFD, and what
// is longer than limit bytes is cut. Newlines and tabs stay.
func cleanText(s string, limit int) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		if n := escapeLen(s[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) && r != utf8.RuneError {
			continue
		}
		if b.Len()+n > limit {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// escapeLen is the length of the terminal escape sequence at the start of s, 0
// if there is none: CSI (ESC [ … final byte), OSC and its kin (ESC ] … BEL or
// ST), and two-byte sequences.
func escapeLen(s string) int {
	if s[0] != 0x1b {
		return 0
	}
	if len(s) == 1 {
		return 1
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
		}
		return len(s)
	case ']', 'P', '^', '_', 'X':
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
		return len(s)
	}
	return 2
}

// cleanLine is cleanText for one line: line breaks and tabs become spaces.
func cleanLine(s string, limit int) string {
	return strings.Join(strings.Fields(cleanText(s, limit)), " ")
}

// nearest is the element of names closest to s, or "" when none is near: at
// most a third of the letters, and at least one, may differ.
func nearest(s string, names []string) string {
	best, bestD := "", max(1, len(s)/3)+1
	sorted := append([]string(nil), names...)
	slices.Sort(sorted)
	for _, n := range sorted {
		if d := editDistance(s, n); d < bestD {
			best, bestD = n, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours between a and b.
func editDistance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// didYouMean is a hint for an unknown name: the nearest one, or all of them.
func didYouMean(s string, names []string) string {
	if n := nearest(s, names); n != "" {
		return "did you mean " + n + "?"
	}
	if len(names) == 0 {
		return ""
	}
	sorted := append([]string(nil), names...)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	if len(sorted) > 20 {
		sorted = append(sorted[:20], "…")
	}
	return "there is: " + strings.Join(sorted, ", ")
}
