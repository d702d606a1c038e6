package plugins

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/plugins/wire"
)

// inProcess asks a registered provider in this program, through the same bytes
// as over the wire: both ways must give equal functions.
type inProcess struct {
	name     string
	p        Provider
	timeouts Timeouts
}

func (c *inProcess) describe(ctx context.Context) (*wire.DescribeResponse, error) {
	return throughBytes(ctx, c.name, "describe", c.timeouts.Describe, new(wire.DescribeResponse),
		func(ctx context.Context) (proto.Message, error) { return c.p.Describe(ctx) })
}

func (c *inProcess) build(ctx context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error) {
	own := proto.CloneOf(req)
	return throughBytes(ctx, c.name, "build "+req.Variant, c.timeouts.Build, new(wire.BuildResponse),
		func(ctx context.Context) (proto.Message, error) { return c.p.Build(ctx, own) })
}

func (c *inProcess) close() {}

// throughBytes makes a call with a deadline, and passes the answer through its
// serialised form.
func throughBytes[T proto.Message](ctx context.Context, name, op string, limit time.Duration, into T,
	call func(context.Context) (proto.Message, error),
) (T, error) {
	type result struct {
		raw      []byte
		err      error
		panicked bool
	}
	var zero T
	cctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- result{err: fmt.Errorf("it panicked: %v", r), panicked: true}
			}
		}()
		m, err := call(cctx)
		if err != nil {
			done <- result{err: err}
			return
		}
		raw, err := proto.Marshal(m)
		done <- result{raw: raw, err: err}
	}()
	select {
	case <-cctx.Done():
		if ctx.Err() != nil {
			return zero, fmt.Errorf("plugin %s: %s: %w", name, op, ctx.Err())
		}
		return zero, &Error{Plugin: name, Op: op, Detail: fmt.Sprintf("no answer within %v", limit), Err: context.DeadlineExceeded}
	case r := <-done:
		if r.err == nil {
			r.err = proto.Unmarshal(r.raw, into)
		}
		if r.err != nil {
			return zero, &Error{Plugin: name, Op: op, Detail: cleanLine(r.err.Error(), maxTextBytes), Err: r.err, panicked: r.panicked}
		}
		return into, nil
	}
}
