package torchfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"
)

// Files are built here byte by byte, since no library writes most of the faults.

// zipped is a record of an archive under construction.
type zipped struct {
	name, data     string
	localName      string // where it differs
	local, central []byte // headers, before the name
	extra          [2]string
}

const (
	localSize, centralSize = 30, 46
)

// part is a stored record. edits change its headers.
func part(name, data string, edits ...func(z *zipped)) *zipped {
	sum := crc32.ChecksumIEEE([]byte(data))
	z := &zipped{name: name, data: data, local: make([]byte, localSize), central: make([]byte, centralSize)}
	put32(z.local, 0, localSignature)
	put32(z.local, 14, sum)
	put32(z.local, 18, uint32(len(data)))
	put32(z.local, 22, uint32(len(data)))
	put16(z.local, 26, uint16(len(name)))
	put32(z.central, 0, centralSignature)
	put32(z.central, 16, sum)
	put32(z.central, 20, uint32(len(data)))
	put32(z.central, 24, uint32(len(data)))
	put16(z.central, 28, uint16(len(name)))
	for _, e := range edits {
		e(z)
	}
	return z
}

// both sets the same 16-bit field in both headers.
func both(localAt, centralAt int, v uint16) func(z *zipped) {
	return func(z *zipped) { put16(z.local, localAt, v); put16(z.central, centralAt, v) }
}

func put16(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }
func put32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
func put64(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
func le32(b []byte, v uint32) []byte   { return binary.LittleEndian.AppendUint32(b, v) }

// build is an archive of parts.
func build(parts ...*zipped) []byte {
	var out, directory []byte
	for _, z := range parts {
		central := bytes.Clone(z.central)
		put32(central, 42, uint32(len(out)))
		put16(central, 30, uint16(len(z.extra[1])))
		put16(z.local, 28, uint16(len(z.extra[0])))
		out = append(append(append(append(out, z.local...), cmp.Or(z.localName, z.name)...), z.extra[0]...), z.data...)
		directory = append(append(append(directory, central...), z.name...), z.extra[1]...)
	}
	end := make([]byte, 22)
	put32(end, 0, endSignature)
	put16(end, 8, uint16(len(parts)))
	put16(end, 10, uint16(len(parts)))
	put32(end, 12, uint32(len(directory)))
	put32(end, 16, uint32(len(out)))
	return append(append(out, directory...), end...)
}

// build64 is an archive whose directory ends as zip64, edited.
func build64(edit func(end []byte), parts ...*zipped) []byte {
	b := build(parts...)
	old := b[len(b)-22:]
	end, locator := make([]byte, 56), make([]byte, 20)
	put32(end, 0, end64Signature)
	put64(end, 4, 44)
	put64(end, 24, uint64(len(parts)))
	put64(end, 32, uint64(len(parts)))
	put64(end, 40, uint64(binary.LittleEndian.Uint32(old[12:])))
	put64(end, 48, uint64(binary.LittleEndian.Uint32(old[16:])))
	edit(end)
	put32(locator, 0, locator64Signature)
	put64(locator, 8, uint64(len(b)-22))
	put32(locator, 16, 1)
	old = bytes.Clone(old)
	for i := 8; i < 20; i++ {
		old[i] = 0xff
	}
	return append(append(append(b[:len(b)-22], end...), locator...), old...)
}

// Pieces of pickles, protocol 2.

func text(s string) string { return "X" + string(le32(nil, uint32(len(s)))) + s }

func integer(v int) string { return "J" + string(le32(nil, uint32(int32(v)))) }

func ints(v ...int) string {
	var b strings.Builder
	b.WriteByte('(')
	for _, i := range v {
		b.WriteString(integer(i))
	}
	return b.String() + "t"
}

func global2(module, name string) string { return "c" + module + "\n" + name + "\n" }

func storageID(kind, key string, numel int) string {
	return "(" + text("storage") + global2("torch", kind) + text(key) + text("cpu") + integer(numel) + "tQ"
}

const orderedDictCall = "ccollections\nOrderedDict\n)R"

// view is a tensor.
func view(storage string, offset int, shape, stride string) string {
	return global2("torch._utils", "_rebuild_tensor_v2") + "(" + storage + integer(offset) + shape + stride + "\x89" + orderedDictCall + "tR"
}

// stateDictOf is a whole pickle: a dict of keys and values in turn.
func stateDictOf(pairs ...string) string {
	var b strings.Builder
	b.WriteString("\x80\x02}(")
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(text(pairs[i]) + pairs[i+1])
	}
	return b.String() + "u."
}

// sixFloats is the data of the small files, and matrix a tensor of it.
var (
	sixFloats = strings.Repeat("\x00\x00\x80\x3f", 6)
	matrix    = view(storageID("FloatStorage", "0", 6), 0, ints(2, 3), ints(3, 1))
)

// withPickle is an archive of a pickle and six floats.
func withPickle(pickle string) []byte {
	return build(part("m/data.pkl", pickle), part("m/byteorder", "little"), part("m/data/0", sixFloats), part("m/version", "3\n"))
}

// withRecords is an archive of a good pickle and other records.
func withRecords(parts ...*zipped) []byte {
	return build(append([]*zipped{part("m/data.pkl", stateDictOf("a", matrix))}, parts...)...)
}

func read(b []byte) (*File, error) { return NewFile("x.bin", bytes.NewReader(b), int64(len(b))) }

func mustRead(t *testing.T, b []byte) *File {
	t.Helper()
	f, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
