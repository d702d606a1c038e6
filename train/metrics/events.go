package metrics

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// events is a TensorBoard event file: TFRecords of Event messages with scalar summaries.
type events struct{ file *os.File }

// openEvents begins a new event file; TensorBoard drops, of earlier files, what lies
// behind the step at which a later one begins.
func openEvents(dir string, step int) (*events, error) {
	name := fmt.Sprintf("events.out.tfevents.%d.%d", time.Now().Unix(), step)
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	e := &events{f}
	version := protowire.AppendTag(event(0), 3, protowire.BytesType)
	if err := e.record(protowire.AppendString(version, "brain.Event:2")); err != nil {
		f.Close()
		return nil, err
	}
	if step > 0 { // session_log {status: START}: TensorBoard purges later steps
		start := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
		b := protowire.AppendTag(event(step+1), 7, protowire.BytesType)
		if err := e.record(protowire.AppendBytes(b, start)); err != nil {
			f.Close()
			return nil, err
		}
	}
	return e, nil
}

// event begins an Event message: wall time and step.
func event(step int) []byte {
	b := protowire.AppendTag(nil, 1, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(time.Now().UnixMilli())/1000))
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(step))
}

// write records the numbers of a step; a list becomes one scalar per element.
func (e *events) write(step int, values map[string]any) error {
	var summary []byte
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		switch v := values[n].(type) {
		case float64:
			summary = appendScalar(summary, n, v)
		case int:
			summary = appendScalar(summary, n, float64(v))
		case []float64:
			for i, x := range v {
				summary = appendScalar(summary, n+"/"+strconv.Itoa(i), x)
			}
		}
	}
	b := protowire.AppendTag(event(step), 5, protowire.BytesType)
	return e.record(protowire.AppendBytes(b, summary))
}

// appendScalar appends a Summary.Value with a tag and a simple value.
func appendScalar(summary []byte, tag string, x float64) []byte {
	v := protowire.AppendTag(nil, 1, protowire.BytesType)
	v = protowire.AppendString(v, tag)
	v = protowire.AppendTag(v, 2, protowire.Fixed32Type)
	v = protowire.AppendFixed32(v, math.Float32bits(float32(x)))
	summary = protowire.AppendTag(summary, 1, protowire.BytesType)
	return protowire.AppendBytes(summary, v)
}

// record writes one TFRecord: length, its masked CRC, the data, its masked CRC.
func (e *events) record(data []byte) error {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(b))
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint32(b, maskedCRC(data))
	_, err := e.file.Write(b)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
