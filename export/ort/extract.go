package ort

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Limits of unpacking: of the library itself, and of what a compressed archive may grow to while it is searched.
const (
	maxLibrary  = 512 << 20
	maxUnpacked = 4 << 30
)

// extractMember copies one regular file of a .tgz, .zip or .whl archive to the new file out. Only the member with exactly this
// name is written, and only there, so names inside the archive cannot lead anywhere else.
func extractMember(archive, member, out string) error {
	if strings.HasSuffix(archive, ".tgz") || strings.HasSuffix(archive, ".tar.gz") {
		return extractTar(archive, member, out)
	}
	return extractZip(archive, member, out)
}

func extractTar(archive, member, out string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("not a gzip archive: %w", err)
	}
	all := &io.LimitedReader{R: gz, N: maxUnpacked}
	tr := tar.NewReader(all)
	for {
		h, err := tr.Next()
		if all.N <= 0 {
			return fmt.Errorf("unpacks to more than %d bytes", int64(maxUnpacked))
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("has no file %s", member)
		}
		if err != nil {
			return err
		}
		if h.Name != member {
			continue
		}
		if h.Typeflag != tar.TypeReg {
			return fmt.Errorf("%s is not a regular file", member)
		}
		return writeLibrary(out, tr)
	}
}

func extractZip(archive, member, out string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("not a zip archive: %w", err)
	}
	defer z.Close()
	for _, e := range z.File {
		if e.Name != member {
			continue
		}
		if !e.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", member)
		}
		r, err := e.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		return writeLibrary(out, r)
	}
	return fmt.Errorf("has no file %s", member)
}

// writeLibrary writes at most maxLibrary bytes to a new file and flushes it to the disk.
func writeLibrary(out string, r io.Reader) error {
	f, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, maxLibrary+1))
	if n > maxLibrary {
		err = fmt.Errorf("the library has more than %d bytes", maxLibrary)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
