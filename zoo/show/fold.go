package show

import "encoding/json"

// Fold groups neighbours that repeat: of what can begin at a place, the group that covers most,
// the shortest of equals. Groups are folded inside, too.
func Fold(items []Item) []Item {
	keys := make([]string, len(items))
	for i, x := range items {
		raw, err := json.Marshal(x)
		if err != nil {
			return items
		}
		keys[i] = string(raw)
	}
	var out []Item
	for at := 0; at < len(items); {
		period, times := longestRun(keys[at:])
		if times < 2 {
			out = append(out, items[at])
			at++
			continue
		}
		inner := items[at : at+period]
		if period > 1 {
			inner = Fold(inner)
		}
		out = append(out, Item{Times: times, Items: inner})
		at += period * times
	}
	return out
}

// longestRun is how many keys from the first on repeat, and how often, where that covers most;
// a run of one covers nothing.
func longestRun(keys []string) (period, times int) {
	best := 0
	for p := 1; 2*p <= len(keys); p++ {
		n := 1
		for (n+1)*p <= len(keys) && same(keys[:p], keys[n*p:(n+1)*p]) {
			n++
		}
		if n > 1 && n*p > best {
			period, times, best = p, n, n*p
		}
	}
	return period, times
}

func same(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
