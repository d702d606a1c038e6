package file

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// External reads the tensors that a model keeps in other files. Every such file
// must lie in the folder of the model or below it, be a regular file, and have a
// single name: no symbolic link anywhere on the way, no hard link, no device or
// pipe. It holds nothing open between calls. A nil External is that of a model
// without a folder; it refuses every tensor stored elsewhere.
type External struct {
	dir   string
	model string // path of the model, for messages
	seen  map[string]*dataFile
}

// dataFile is what is known of one file of external data.
type dataFile struct {
	size     int64
	used     int64  // bytes that tensors take from it, in all
	checksum string // SHA-1 that was checked, empty when none is stated
}

// reuse is how many times over the bytes of a data file may be taken by tensors:
// tied weights share bytes, a file that multiplies itself a thousandfold does not.
const reuse = 8

// entry is the parsed external_data of a tensor.
type entry struct {
	location       string
	offset, length int64 // length -1: not stated
	checksum       string
}

// parseEntry reads the keys of external_data and refuses what is not of the format.
func parseEntry(t *pb.TensorProto) (entry, *Error) {
	e := entry{length: -1}
	given := map[string]bool{}
	for _, kv := range t.GetExternalData() {
		key, value := kv.GetKey(), kv.GetValue()
		if given[key] {
			return e, bad("external_data", "key %s is given twice", short(key))
		}
		given[key] = true
		var err *Error
		switch key {
		case "location":
			e.location = value
		case "offset":
			e.offset, err = decimal(key, value)
		case "length":
			e.length, err = decimal(key, value)
		case "checksum":
			e.checksum = strings.ToLower(value)
		default:
			return e, bad("external_data", "unknown key %s; expected location, offset, length or checksum", short(key))
		}
		if err != nil {
			return e, err
		}
	}
	return e, checkLocation(e.location)
}

func decimal(key, s string) (int64, *Error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || s[0] == '+' || s[0] == '-' {
		return 0, bad("external_data", "%s is %s; expected a whole number of bytes from 0 to 2^63-1", key, short(s))
	}
	return n, nil
}

// checkLocation refuses, from the text alone, a location that could lead out of
// the model's folder.
func checkLocation(s string) *Error {
	switch {
	case s == "":
		return bad("external_data", "no location is given")
	case strings.Contains(s, "_ORT_MEM_ADDR_"):
		return bad("external_data", "location %s marks an address in memory; it has no meaning in a file and is never followed", short(s))
	case strings.ContainsAny(s, "\x00\\"):
		return bad("external_data", "location %s contains a NUL or a backslash; expected a relative path with /", short(s))
	case strings.HasPrefix(s, "/") || filepath.IsAbs(s) || filepath.VolumeName(s) != "":
		return bad("external_data", "location %s is absolute; expected a path below the model's folder", short(s))
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return bad("external_data", "location %s leads out of the model's folder", short(s))
		}
	}
	if !filepath.IsLocal(filepath.FromSlash(s)) || path.Clean(s) == "." {
		return bad("external_data", "location %s is not a file below the model's folder", short(s))
	}
	return nil
}

// check holds the external_data of t against the file it names, without reading
// elements.
func (e *External) check(t *pb.TensorProto) error {
	ent, size, err := e.entry(t)
	if err != nil {
		return err
	}
	d := e.seen[ent.location]
	if d == nil {
		f, info, err := e.open(ent.location)
		if err != nil {
			return err
		}
		defer f.Close()
		d = &dataFile{size: info.Size()}
		if d.checksum, err = verify(f, ent); err != nil {
			return err
		}
		e.seen[ent.location] = d
	}
	if ent.checksum != "" && ent.checksum != d.checksum {
		return bad("external_data", "checksum %s of %s differs from that of other tensors", short(ent.checksum), short(ent.location))
	}
	if err := ent.fits(size, d.size); err != nil {
		return err
	}
	if d.used += size; d.used/reuse > d.size {
		return bad("external_data", "tensors take the %d bytes of %s more than %d times over", d.size, short(ent.location), reuse)
	}
	return nil
}

// entry parses external_data of t and says how many bytes its dims need.
func (e *External) entry(t *pb.TensorProto) (entry, int64, error) {
	ent, bad1 := parseEntry(t)
	if bad1 != nil {
		return ent, 0, bad1
	}
	if e == nil {
		return ent, 0, bad("external_data", "elements are in %s, but a model read from bytes has no folder to look in", short(ent.location))
	}
	size, err := TensorBytes(t)
	return ent, size, err
}

// fits holds the stated range against the tensor's size and the file's.
func (ent entry) fits(size, file int64) *Error {
	if ent.length >= 0 && ent.length != size {
		return bad("external_data", "length is %d, but type and dims need %d bytes", ent.length, size)
	}
	if ent.offset > file || size > file-ent.offset {
		return bad("external_data", "offset %d and length %d reach beyond the %d bytes of %s", ent.offset, size, file, short(ent.location))
	}
	return nil
}

func verify(f *os.File, ent entry) (string, error) {
	if ent.checksum == "" {
		return "", nil
	}
	h := sha1.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if sum != ent.checksum {
		return "", bad("external_data", "checksum of %s is %s, but the model states %s", short(ent.location), sum, short(ent.checksum))
	}
	return sum, nil
}

// open opens a checked location inside the model's folder. The folder is a root
// that no path escapes; what is opened is compared with what was looked at, so
// that a link put there in between is noticed.
func (e *External) open(location string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(e.dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	clean := path.Clean(location)
	var last fs.FileInfo
	for i, c := range clean + "/" {
		if c != '/' {
			continue
		}
		if last, err = root.Lstat(clean[:i]); err != nil {
			return nil, nil, locationError(location, err)
		}
		if last.Mode()&fs.ModeSymlink != 0 {
			return nil, nil, bad("external_data", "location %s goes through the symbolic link %s; copy the file itself beside the model", short(location), short(clean[:i]))
		}
	}
	if !last.Mode().IsRegular() {
		return nil, nil, bad("external_data", "location %s is %s, not a file", short(location), kindOf(last.Mode()))
	}
	// Non-blocking, for the pipe that could have taken the file's place since.
	f, err := root.OpenFile(clean, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, locationError(location, err)
	}
	info, err := f.Stat()
	if err == nil && !(info.Mode().IsRegular() && os.SameFile(info, last)) {
		err = bad("external_data", "location %s changed while it was opened", short(location))
	}
	if err == nil && links(info) > 1 {
		err = bad("external_data", "location %s is a hard link to a file with other names; copy the file itself beside the model", short(location))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// locationError tells a location that is wrong from a machine that fails.
func locationError(location string, err error) error {
	for _, machine := range []error{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, machine) {
			return err
		}
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return bad("external_data", "location %s cannot be opened beside the model: %v", short(location), err)
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	}
	return "a special file"
}

// payload is the stream of one external tensor.
type payload struct {
	io.Reader
	io.Closer
}

// Reader streams the elements of t, stored in another file, and says how many
// bytes there are. The file is opened and checked anew; the caller closes it. A
// file that has become shorter gives io.ErrUnexpectedEOF or an *Error, never a
// fault of memory: nothing is mapped.
func (e *External) Reader(t *pb.TensorProto) (io.ReadCloser, int64, error) {
	ent, size, err := e.entry(t)
	if err != nil {
		return nil, 0, e.named(t, err)
	}
	f, info, err := e.open(ent.location)
	if err != nil {
		return nil, 0, e.named(t, err)
	}
	if bad := ent.fits(size, info.Size()); bad != nil {
		f.Close()
		return nil, 0, e.named(t, bad)
	}
	return payload{io.NewSectionReader(f, ent.offset, size), f}, size, nil
}

// named adds the model's path and the tensor's name to an error.
func (e *External) named(t *pb.TensorProto, err error) error {
	var b *Error
	if errors.As(err, &b) {
		b.Field = fmt.Sprintf("tensor %s %s", short(t.GetName()), b.Field)
		if e != nil {
			b.File = e.model
		}
	}
	return err
}

func (e *External) shrunk(t *pb.TensorProto, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return e.named(t, bad("external_data", "its file became shorter while it was read"))
	}
	return err
}
