package safetensors

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func writeFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func shard(t *testing.T, dir, name string, tensors ...string) {
	t.Helper()
	var b bytes.Buffer
	var list []Tensor
	for _, n := range tensors {
		list = append(list, Tensor{Name: n, DType: F32, Shape: []int64{1}, Data: []byte{0, 0, n[0], 0}})
	}
	if err := Write(&b, list, nil); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, name, b.Bytes())
}

func TestShardsAreFoundThroughTheirIndex(t *testing.T) {
	dir := t.TempDir()
	shard(t, dir, "1.safetensors", "a", "b")
	shard(t, dir, "2.safetensors", "c")
	index := writeFile(t, dir, "index.json", []byte(`{"metadata":{"total_size":3},"weight_map":{"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"}}`))
	s, err := OpenSharded(index)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, ok := s.Info("c")
	if v, err := s.Float32("c"); !ok || info.Name != "c" || err != nil || math.Float32bits(v[0]) != 'c'<<16 || strings.Join(s.Names(), "") != "abc" {
		t.Errorf("%v %v %v %v", info, v, err, s.Names())
	}
	if _, err := s.Float32("d"); err == nil {
		t.Error("a tensor that is not there was read")
	}
}

// badIndices are indices with what is said of them, beside files 1 with a and b, and 2 with b.
var badIndices = map[string]string{
	`{"weight_map":{"a":"../1.safetensors"}}`:                     "is not beside the index",
	`{"weight_map":{"a":"/etc/passwd"}}`:                          "is not beside the index",
	`{"weight_map":{"a":"3.safetensors"}}`:                        "no such file",
	`{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}`:    `"a" occurs twice`,
	`{"weight_map":{"a":"1.safetensors"}}`:                        `tensor "b" of 1.safetensors is not listed there`,
	`{"weight_map":{"c":"1.safetensors"}}`:                        `tensor "c" is not in 1.safetensors`,
	`{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`:    `tensor "b" of 1.safetensors is not listed there`,
	`{"weight_map":{"a":7}}`:                                      `"a" is no string`,
	`{}`:                                                          "weight_map is missing",
	`{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}`:     "EOF",
	`{"weight_map":{"a":"1.safetensors","b":"1.safetensors"}} {}`: "goes on after its closing }",
	`{"weight_map":{"a":"1.safetensors\u0000"}}`:                  "is not beside the index",
	"{\"weight_map\":{\"\xff\":\"1.safetensors\"}}":               "not valid UTF-8",
	`[]`: "want {",
	`{"weight_map":{"a":"sub/1.safetensors"}}`: "is not beside the index",
	`{"weight_map":{"a":"/"}}`:                 "is not beside the index",
	`{"weight_map":{"a":".."}}`:                "is not beside the index",
	`{"weight_map":{"a":""}}`:                  "is not beside the index",
}

func TestBadIndicesAreRefused(t *testing.T) {
	dir := t.TempDir()
	shard(t, dir, "1.safetensors", "a", "b")
	shard(t, dir, "2.safetensors", "b")
	for index, want := range badIndices {
		_, err := OpenSharded(writeFile(t, dir, "index.json", []byte(index)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", index, err, want)
		}
	}
}

func FuzzIndex(f *testing.F) {
	for index := range badIndices {
		f.Add([]byte(index))
	}
	f.Add([]byte(`{"metadata":{"total_size":3},"weight_map":{"a":"1.safetensors","c":"2.safetensors"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		weights, err := parseIndex(raw)
		if err != nil {
			return
		}
		for tensor, shard := range weights {
			if shard != filepath.Base(shard) || shard == "." || shard == ".." || strings.ContainsAny(shard, "/\\\x00") {
				t.Fatalf("%q lies in %q", tensor, shard)
			}
		}
	})
}

func TestAFileThatShrinksIsAnErrorAndNoSignal(t *testing.T) {
	dir := t.TempDir()
	shard(t, dir, "1.safetensors", "a", "b")
	path := filepath.Join(dir, "1.safetensors")
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Bytes("b"); err == nil || !strings.Contains(err.Error(), "has the file shrunk?") {
		t.Errorf("got %v", err)
	}
}
