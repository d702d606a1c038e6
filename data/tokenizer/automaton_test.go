package tokenizer

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// The patterns of tokenizers in use.
const (
	patternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternGPT4o  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

func words(t testing.TB, a *automaton, text string) []string {
	t.Helper()
	var out []string
	f := finder{automaton: a, text: []byte(text)}
	for at := 0; at < len(text); {
		n, _ := f.match(at)
		if n <= 0 {
			t.Fatalf("%q: no match at %d", text, at)
		}
		out = append(out, text[at:at+n])
		at += n
	}
	return out
}

// matchOf is what matches at the beginning of text.
func matchOf(a *automaton, text string) (n int, decided bool) {
	f := finder{automaton: a, text: []byte(text)}
	return f.match(0)
}

func TestPatternsCutAsABacktrackingEngineDoes(t *testing.T) {
	for _, c := range []struct{ pattern, text, want string }{
		{patternGPT2, "It's  we'll\n\n x", "It|'s| | we|'ll|\n\n| x"},
		{patternGPT2, "a   ", "a|   "},
		{patternLlama3, "It'S 12345  !!\n\n x", "It|'S| |123|45| | !!\n\n| x"},
		{patternLlama3, "  \n \n  y", "  \n \n| | y"},
		{patternQwen2, "a1234", "a|1|2|3|4"},
		{patternGPT4o, "HelloWorld'Sx ABCdef", "Hello|World'S|x| ABCdef"},
		{`a|ab|b`, "ab", "a|b"},
		{`ab|a|b`, "aba", "ab|a"},
		{`(?:ab|a)(?=b)|b`, "abb", "ab|b"},
		{`a{1,3}?`, "aaa", "a|a|a"},
	} {
		a, err := newAutomaton(c.pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := strings.Join(words(t, a, c.text), "|"); got != c.want {
			t.Errorf("%s: %q, want %q", c.pattern, got, c.want)
		}
	}
}

// TestAutomataEqualGoEngine: without looking ahead, Go's engine has the same meaning.
func TestAutomataEqualGoEngine(t *testing.T) {
	patterns := []string{
		`a|b|ab|abc`, `[ab]+c?|c`, `(?:a|ab)(?:c|bcd)?|[bcd]`, `a{1,3}|[bcd]+?|d`, `(?i:ab?c)|.`, ` ?[^\r\n]+[\n]*|[\r\n]`,
		`(?:a|b)*c|a|b`, `\p{Lu}[a-z]?|\p{L}|[^x]`,
	}
	for _, p := range patterns {
		a, err := newAutomaton(p)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(`^(?:` + p + `)`)
		rapid.Check(t, func(r *rapid.T) {
			text := rapid.StringOfN(rapid.RuneFrom([]rune("aaabbccdxA \r\n\u00e9日\U0001F600")), 0, 12, -1).Draw(r, "text")
			want := -1
			if at := re.FindStringIndex(text); at != nil {
				want = at[1]
			}
			if got, _ := matchOf(a, text); got != want {
				r.Fatalf("%s at %q: %d, want %d", p, text, got, want)
			}
		})
	}
}

// TestDecidedMatchesStay: what follows changes no match that is called decided.
func TestDecidedMatchesStay(t *testing.T) {
	for _, p := range []string{patternGPT2, patternLlama3, patternQwen2, patternGPT4o} {
		a, err := newAutomaton(p)
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(r *rapid.T) {
			text := rapid.StringOfN(rapid.RuneFrom([]rune("ab'sS1 \n\r!é日Aſ\u3000")), 1, 9, -1).Draw(r, "text")
			cut := rapid.IntRange(1, len(text)).Draw(r, "cut")
			if !utf8.ValidString(text[:cut]) {
				return
			}
			n, decided := matchOf(a, text[:cut])
			if all, _ := matchOf(a, text); decided && n != all {
				r.Fatalf("%q: %d of %d bytes, then %d", text, n, cut, all)
			}
		})
	}
}

func TestPatternsThatCannotBeLinearAreRefused(t *testing.T) {
	for pattern, want := range map[string]string{
		`(a)\1`:                        "backreferences are refused",
		`(?<x>a)\k<x>`:                 "this kind of group is unsupported",
		`(?<=a)b`:                      "this kind of group is unsupported",
		`(?>a+)b`:                      "this kind of group is unsupported",
		`(?!ab)a`:                      "further than one character",
		`(?!a+)a`:                      "further than one character",
		`a++b`:                         "invalid nested repetition",
		`a*`:                           "matches the empty text",
		`a|`:                           "matches the empty text",
		`^a`:                           "anchors are unsupported",
		`a\b`:                          `the escape \b is unsupported`,
		`[^(\s|[.,!?])]+`:              "classes within classes",
		`[a&&b]`:                       "classes within classes",
		`(a`:                           "missing closing )",
		`[]a]`:                         "an empty class is unsupported",
		`a{,3}`:                        "repetitions need a lower bound",
		`\`:                            "ends with a backslash",
		"\xff":                         "invalid UTF-8",
		"[\U0010fff0]":                 "no characters",
		`a(?!\S)|(?!\s)`:               "empty text",
		`(?:[a-z]{900}){5}`:            "invalid repeat count",
		strings.Repeat("[ab]{500}", 9): "repeats too often",
		`(?:a|b)?` + strings.Repeat(`[ab]?`, 300) + `c`: "",
		strings.Repeat("a", maxPattern+1):               "over the limit",
	} {
		if _, err := newAutomaton(pattern); want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40s: %v, want %q", pattern, err, want)
		}
	}
}

// TestAnyPatternTakesLinearTime: patterns that cost a backtracking engine exponential or
// quadratic time on these texts, counted in characters that are read.
func TestAnyPatternTakesLinearTime(t *testing.T) {
	const n = 200_000
	for _, c := range []struct{ pattern, text string }{
		{`(a+)+`, strings.Repeat("a", n) + "b"},
		{`(a+)+b|a`, strings.Repeat("a", n)},
		{`a+b`, strings.Repeat("a", n)},
		{`.*x|.`, strings.Repeat("ab", n/2)},
		{`(?:a|b)*(?:a|b)*c|[ab]`, strings.Repeat("ab", n/2)},
		{`\s*[\r\n]+|\s`, strings.Repeat(" ", n)},
		{patternLlama3, strings.Repeat("\n", n) + strings.Repeat(" ", n) + "x"},
	} {
		a, err := newAutomaton(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		f := finder{automaton: a, text: []byte(c.text)}
		for at := 0; at < len(c.text); {
			m, _ := f.match(at)
			at += max(m, 1)
		}
		if limit := (5 + f.states()) * len(c.text); f.steps > limit {
			t.Errorf("%s reads %d characters for %d", c.pattern, f.steps, len(c.text))
		}
	}
}

// TestWhatIsRememberedChangesNothing: a finder that remembers from the beginning finds the same.
func TestWhatIsRememberedChangesNothing(t *testing.T) {
	for _, p := range []string{`(a+)+b|a`, `.*x|.`, `\s*[\r\n]+|\s|a`, patternGPT2, patternLlama3} {
		a, err := newAutomaton(p)
		if err != nil {
			t.Fatal(err)
		}
		rapid.Check(t, func(r *rapid.T) {
			text := rapid.StringOfN(rapid.RuneFrom([]rune("aab \n\nx'1é")), 0, 20, -1).Draw(r, "text")
			plain, keen := finder{automaton: a, text: []byte(text)}, finder{automaton: a, text: []byte(text)}
			keen.failed = make([]uint64, (len(text)+1)*keen.states()/64+1)
			for at := 0; at < len(text); {
				n, _ := plain.match(at)
				if got, _ := keen.match(at); got != n {
					r.Fatalf("%q at %d: %d, want %d", text, at, got, n)
				}
				at += max(n, 1)
			}
		})
	}
}

func FuzzPattern(f *testing.F) {
	for _, p := range []string{patternGPT2, patternLlama3, patternQwen2, patternGPT4o, `(a+)+`, `(a)\1`, `(?!ab)`, `[^(\s|[.,])]+`, `a{3}{4}`, `(?i:k)+(?=\d)`} {
		f.Add(p, "It's aaaa  12345\n\n x")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		a, err := newAutomaton(pattern)
		if err != nil {
			return
		}
		find := finder{automaton: a, text: []byte(text)}
		for at := 0; at < len(text); {
			n, _ := find.match(at)
			if n == 0 || n > len(text)-at {
				t.Fatalf("%q at %q: %d", pattern, text[at:], n)
			}
			at += max(n, 1)
		}
	})
}
