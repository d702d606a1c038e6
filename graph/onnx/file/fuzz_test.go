package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// The seeds in testdata/fuzz are the hostile files of this package's tests;
// MOEZOO_WRITE_SEEDS=1 go test -run Seeds writes them again.

// refusal fails unless err is nil or one line about the input.
func refusal(t *testing.T, err error) {
	t.Helper()
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("not an *Error: %T %v", err, err)
	}
	if err != nil && strings.ContainsAny(err.Error(), "\n\r\x1b") {
		t.Fatalf("not one clean line: %q", err.Error())
	}
}

// small makes bombs of fuzzing size burst.
var small = Limits{Overhead: 1 << 20}

func FuzzRead(f *testing.F) {
	for _, h := range hostileBytes {
		f.Add(h.bytes(f))
	}
	f.Add(repeatedField(40_000, 1, nil))
	f.Add(encoded(f, mixture()))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadBytes(data, small)
		refusal(t, err)
		if err != nil {
			return
		}
		if err := Validate(m); err != nil {
			t.Fatalf("read, but not valid: %v", err)
		}
		for _, tensor := range m.GetGraph().GetInitializer() {
			_, _, raw, err := TensorData(tensor, nil)
			refusal(t, err)
			if size, sizeErr := TensorBytes(tensor); err == nil && (sizeErr != nil || size != int64(len(raw))) {
				t.Fatalf("%d bytes of data, TensorBytes says %d, %v", len(raw), size, sizeErr)
			}
		}
		again, err := ReadBytes(encoded(t, m))
		if err != nil || !proto.Equal(m, again) {
			t.Fatalf("does not survive writing and reading: %v", err)
		}
	})
}

// FuzzValidate gives the validator messages that no scan has seen.
func FuzzValidate(f *testing.F) {
	for _, h := range hostileBytes {
		f.Add(h.bytes(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &pb.ModelProto{}
		if len(data) > 1<<16 || proto.Unmarshal(data, m) != nil {
			return
		}
		refusal(t, Validate(m))
	})
}

func FuzzParseFunction(f *testing.F) {
	for _, h := range hostileBytes {
		m := &pb.ModelProto{}
		if proto.Unmarshal(h.bytes(f), m) != nil {
			continue
		}
		for _, fn := range m.GetFunctions() {
			f.Add(encoded(f, fn))
		}
		f.Add(encoded(f, function("f", m.GetGraph().GetNode()...)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fn, err := ParseFunction(data)
		refusal(t, err)
		if err != nil {
			return
		}
		if err := ValidateFunction(fn); err != nil {
			t.Fatalf("parsed, but not valid: %v", err)
		}
	})
}

// FuzzExternal asks for locations in a folder full of traps; what lies outside or
// behind a link must never be read.
func FuzzExternal(f *testing.F) {
	outside := f.TempDir()
	dir := filepath.Join(outside, "model")
	for path, text := range map[string]string{"secret": "secret!!", "model/good": "harmless", "model/sub/good": "harmless"} {
		path = filepath.Join(outside, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			f.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("..", filepath.Join(dir, "link")), os.Symlink("../secret", filepath.Join(dir, "s")), os.Link(filepath.Join(outside, "secret"), filepath.Join(dir, "h"))); err != nil {
		f.Fatal(err)
	}
	for _, location := range []string{"good", "sub/good", "./good", "../secret", "a/../../secret", "link/secret", "s", "h", "sub/../../secret", "/etc/passwd", "good/", "", ".", "*/_ORT_MEM_ADDR_/*"} {
		f.Add(location, "0", "8", "offset")
	}
	f.Add(filepath.Join(outside, "secret"), "-1", "9223372036854775808", "colour")
	f.Fuzz(func(t *testing.T, location, offset, length, key string) {
		ext := &External{dir: dir, model: "m.onnx", seen: map[string]*dataFile{}}
		_, _, raw, err := TensorData(external(location, key, offset, "length", length), ext)
		refusal(t, err)
		if err == nil && string(raw) != "harmless" {
			t.Fatalf("%q gave %q", location, raw)
		}
	})
}

func TestSeedsAreCommitted(t *testing.T) {
	for target, seeds := range map[string]map[string][]byte{"FuzzRead": seedBytes(t), "FuzzValidate": seedBytes(t)} {
		dir := filepath.Join("testdata", "fuzz", target)
		for name, data := range seeds {
			path := filepath.Join(dir, name)
			want := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", data)
			if os.Getenv("MOEZOO_WRITE_SEEDS") != "" {
				if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, []byte(want), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s is missing or stale: %v", path, err)
			}
		}
	}
}

func seedBytes(t *testing.T) map[string][]byte {
	seeds := map[string][]byte{"element-bomb": repeatedField(20_000, 1, nil)}
	for _, h := range hostileBytes {
		seeds[h.name] = h.bytes(t)
	}
	return seeds
}
