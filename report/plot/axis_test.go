package plot

import (
	"slices"
	"testing"
)

// TestTicksHaveTheDigitsThatTellThemApart, and no more.
func TestTicksHaveTheDigitsThatTellThemApart(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		n         int
		want      []string
	}{
		{1.0911, 1.0966, 6, []string{"1.092", "1.093", "1.094", "1.095", "1.096"}},
		{1.2, 1.8, 3, []string{"1.25", "1.5", "1.75"}},
		{-0.02, 0.02, 4, []string{"−0.02", "−0.01", "0", "0.01", "0.02"}},
		{1000e3, 1004e3, 4, []string{"1M", "1.001M", "1.002M", "1.003M", "1.004M"}},
	} {
		a := Axis{Low: c.low, High: c.high}
		ticks := a.ticks(c.n)
		f := labels(ticks)
		var got []string
		for _, x := range ticks {
			got = append(got, f(x))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v to %v: %q, want %q", c.low, c.high, got, c.want)
		}
	}
}
