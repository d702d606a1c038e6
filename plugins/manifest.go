package plugins

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/moezoo/moezoo/internal/whole"
)

// manifestName is the file beside an installed binary.
const manifestName = "plugin.json"

const (
	manifestFormat   = 1
	maxManifestBytes = 4 << 20
)

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Manifest is what is known of a binary without starting it: its sum and its
// Describe answer.
type Manifest struct {
	Format      int         `json:"format"`
	SHA256      string      `json:"sha256"` // hexadecimal, of the binary
	Size        int64       `json:"size"`   // bytes of the binary
	Description Description `json:"description"`
}

// readManifest reads and checks a manifest.
func readManifest(path string) (*Manifest, error) {
	raw, err := readBounded(path, maxManifestBytes)
	if err != nil {
		return nil, err
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s is not a plugin manifest: %w", path, err)
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("%s has format %d; this zoo reads %d", path, m.Format, manifestFormat)
	}
	if !hexSum.MatchString(m.SHA256) || m.Size < 0 {
		return nil, fmt.Errorf("%s has no usable sha256 or size", path)
	}
	if err := checkDescription(undescribe(&m.Description)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &m, nil
}

// writeManifest writes a manifest whole or not at all.
func writeManifest(path string, m *Manifest) error {
	m.Format = manifestFormat
	return whole.WriteJSON(path, m)
}

// cachePath is where the manifest of a binary that was not installed is kept,
// under the binary's sum; empty where there is no home.
func cachePath(home, sum string) string {
	if home == "" {
		return ""
	}
	return filepath.Join(home, "cache", "describe", sum+".json")
}

// hashFile is the SHA-256, in hexadecimal, of an open file from its start, and its
// size.
func hashFile(f *os.File) (string, int64, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is not a regular file", path))
	}
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return raw, nil
}
