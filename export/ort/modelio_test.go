package ort

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

// field appends one length-delimited field.
func field(b []byte, n protowire.Number, body string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), body)
}

// smallModel has the input x float32 [batch_size, 3, ?], the input w that is also an initialiser, and the output y, a scalar int64.
func smallModel() []byte {
	dims := field(field(field(nil, 1, string(field(nil, 2, "batch_size"))), 1, "\x08\x03"), 1, "")
	x := field(field(nil, 1, "x"), 2, string(field(nil, 1, "\x08\x01"+string(field(nil, 2, string(dims))))))
	w := field(nil, 1, "w")
	y := field(field(nil, 1, "y"), 2, string(field(nil, 1, "\x08\x07"+string(field(nil, 2, "")))))
	weight := field(field([]byte("\x08\x04\x10\x01"), 8, "w"), 9, "0123456789abcdef")
	g := field(field(field(field(nil, 11, string(x)), 5, string(weight)), 11, string(w)), 12, string(y))
	return field([]byte("\x08\x08"), 7, string(g))
}

func TestReadModelIOTellsNamesTypesAndSymbols(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	os.WriteFile(path, smallModel(), 0o600)
	in, out, err := ReadModelIO(path)
	if err != nil {
		t.Fatal(err)
	}
	wantIn := []IOInfo{{Name: "x", DType: Float32, Dims: []int64{-1, 3, -1}, Symbols: []string{"batch_size", "", ""}, HasShape: true}}
	wantOut := []IOInfo{{Name: "y", DType: Int64, HasShape: true}}
	if diff := cmp.Diff(wantIn, in) + cmp.Diff(wantOut, out); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := in[0].ShapeString() + out[0].ShapeString() + (IOInfo{}).ShapeString(); got != "[batch_size, 3, ?][][unknown rank]" {
		t.Errorf("shapes are spelled %s", got)
	}
	if _, _, err := ReadModelIO(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestScanModelRefusesEveryCut(t *testing.T) {
	whole := smallModel()
	for n := range len(whole) {
		if _, _, err := readModelIOBytes(whole[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were accepted", n, len(whole))
		}
	}
}

func FuzzScanModel(f *testing.F) {
	f.Add(smallModel())
	f.Add(field(nil, 7, ""))
	f.Add([]byte("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, out, err := readModelIOBytes(data)
		if err != nil {
			return
		}
		for _, info := range append(in, out...) {
			if len(info.Dims) != len(info.Symbols) {
				t.Errorf("%q has %d dimensions and %d symbols", info.Name, len(info.Dims), len(info.Symbols))
			}
			_ = info.ShapeString()
		}
		_, _ = planDecoding(in, out)
	})
}

func TestStatePairsFollowBothNamings(t *testing.T) {
	infos := func(names ...string) (out []IOInfo) {
		for _, n := range names {
			out = append(out, IOInfo{Name: n, DType: Float32})
		}
		return out
	}
	in := infos("input_ids", "past_ssm.0", "past_conv.0", "past_key_values.1.key", "past_key_values.2.conv_state")
	pairs, err := StatePairs(in, infos("logits", "present.1.key", "present_conv.0", "present_ssm.0", "present.2.conv_state"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range pairs {
		got[p.Past.Name] = p.Present.Name
	}
	want := map[string]string{
		"past_ssm.0": "present_ssm.0", "past_conv.0": "present_conv.0", "past_key_values.1.key": "present.1.key",
		"past_key_values.2.conv_state": "present.2.conv_state",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := StatePairs(in, infos("present_conv.0")); err == nil || !strings.Contains(err.Error(), `"past_ssm.0" has no output "present_ssm.0"`) {
		t.Errorf("missing output: %v", err)
	}
}
