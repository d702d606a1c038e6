package plot

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Matrices of Machado, Oliveira and Fernandes (2009, doi 10.1109/TVCG.2009.113), severity 1, for
// linear RGB.
var eyes = map[string][3][3]float64{
	"all three cones": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":      {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia":    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritanopia":      {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// linear is a hexadecimal colour as linear RGB.
func linear(t *testing.T, hex string) (out [3]float64) {
	t.Helper()
	for i := range out {
		v, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		if c := float64(v) / 255; c <= 0.04045 {
			out[i] = c / 12.92
		} else {
			out[i] = math.Pow((c+0.055)/1.055, 2.4)
		}
	}
	return out
}

func luminance(c [3]float64) float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }

func seenBy(c [3]float64, m [3][3]float64) (out [3]float64) {
	for i := range out {
		out[i] = math.Min(math.Max(m[i][0]*c[0]+m[i][1]*c[1]+m[i][2]*c[2], 0), 1)
	}
	return out
}

// lab is CIELAB of linear sRGB.
func lab(c [3]float64) [3]float64 {
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124*c[0] + 0.3576*c[1] + 0.1805*c[2]) / 0.9505)
	y := f(luminance(c))
	z := f((0.0193*c[0] + 0.1192*c[1] + 0.9505*c[2]) / 1.089)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// TestColoursAreToldApart by every kind of eyes, on both papers: a distance of 16 in CIELAB is
// about seven times what can just be noticed. Lines contrast with their paper by 3 to 1, as WCAG
// 1.4.11 asks of graphics.
func TestColoursAreToldApart(t *testing.T) {
	light, dark, _ := strings.Cut(Style, "prefers-color-scheme:dark")
	for name, style := range map[string]string{"light": light, "dark": dark} {
		colour := func(of string) [3]float64 {
			m := regexp.MustCompile("--" + of + ":#([0-9a-f]+)").FindStringSubmatch(style)
			if m == nil {
				t.Fatalf("%s has no colour %s", name, of)
			}
			if len(m[1]) == 3 {
				m[1] = strings.Repeat(m[1][:1], 2) + strings.Repeat(m[1][1:2], 2) + strings.Repeat(m[1][2:], 2)
			}
			return linear(t, m[1])
		}
		names := []string{"heat", "cold"}
		pairs := [][2]string{{"heat", "cold"}}
		for i := range Colours {
			names = append(names, fmt.Sprintf("c%d", i))
			for j := range i {
				pairs = append(pairs, [2]string{fmt.Sprintf("c%d", i), fmt.Sprintf("c%d", j)})
			}
		}
		paper := luminance(colour("paper"))
		for _, n := range names {
			y := luminance(colour(n))
			if contrast := (math.Max(y, paper) + 0.05) / (math.Min(y, paper) + 0.05); contrast < 3 {
				t.Errorf("%s: %s has a contrast of %.2f with the paper", name, n, contrast)
			}
		}
		for eye, m := range eyes {
			for _, p := range pairs {
				a, b := lab(seenBy(colour(p[0]), m)), lab(seenBy(colour(p[1]), m))
				if d := math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2]); d < 16 {
					t.Errorf("%s: %s and %s are %.1f apart for eyes with %s", name, p[0], p[1], d, eye)
				}
			}
		}
	}
}

// TestNumbersAtTheEndsDoNotOverlap moves those of lines that end together apart, and within the area.
func TestNumbersAtTheEndsDoNotOverlap(t *testing.T) {
	for _, ys := range [][]float64{{100, 100, 100}, {12, 12, 13}, {281, 282, 282, 100}, make([]float64, 40)} {
		column := make([]end, len(ys))
		for i, y := range ys {
			column[i] = end{y: math.Max(y, 12), number: i}
		}
		apart(column, 12, 282)
		for i, e := range column {
			if e.y < 12-1e-9 || e.y > 282+1e-9 || i > 0 && e.y-column[i-1].y < math.Min(endRow, 270/float64(len(ys)))-1e-9 {
				t.Errorf("%v: number %d is at %v", ys, e.number, e.y)
			}
		}
	}
}
