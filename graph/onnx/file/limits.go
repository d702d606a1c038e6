package file

import "math"

// Limits bounds what reading may cost. The zero value means the defaults, which
// keep the heap below twice the file plus 64 MiB.
type Limits struct {
	// FileBytes is the largest message accepted, in bytes, not counting external
	// data. Default: 2 GiB − 1, the limit of the format itself.
	FileBytes int64
	// Overhead is how many bytes of heap the decoded message may take above the
	// length of the file. A graph of some 50,000 nodes fits the default of 32 MiB;
	// raise it for a larger one that you trust.
	Overhead int64
	// Depth is the deepest nesting of messages. A subgraph takes three levels;
	// default 200.
	Depth int
}

const (
	maxMessage      = math.MaxInt32 // protobuf's own limit
	defaultOverhead = 32 << 20
	defaultDepth    = 200
	functionBytes   = 64 << 20  // largest function ParseFunction takes
	functionNodes   = 100_000   // most nodes of a function, subgraphs counted
	expandedNodes   = 1_000_000 // most nodes of a model with its functions written out
	maxCallDepth    = 64        // functions that call functions
	maxGraphDepth   = 64        // subgraphs inside subgraphs
)

func (l Limits) filled() Limits {
	if l.FileBytes <= 0 || l.FileBytes > maxMessage {
		l.FileBytes = maxMessage
	}
	if l.Overhead <= 0 {
		l.Overhead = defaultOverhead
	}
	if l.Depth <= 0 {
		l.Depth = defaultDepth
	}
	return l
}
