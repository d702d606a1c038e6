package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
)

// serveDebug serves a provider until ctx ends, without a host: started by hand, or by a
// debugger. It writes the line that makes hosts use it to out.
func serveDebug(ctx context.Context, name string, p Provider, out io.Writer) error {
	listening, ended := make(chan *plugin.ReattachConfig, 1), make(chan struct{})
	config := serveConfig(p)
	config.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, Exclude: func(hclog.Level, string, ...any) bool {
		return ctx.Err() != nil // that it no longer listens is what was asked for
	}})
	config.Test = &plugin.ServeTestConfig{Context: ctx, ReattachConfigCh: listening, CloseCh: ended}
	go plugin.Serve(config)
	select {
	case <-ended:
		return errors.New("debug: it cannot listen")
	case c := <-listening:
		raw, err := json.Marshal(map[string]attachment{name: {c.Addr.Network(), c.Addr.String(), c.Pid, c.ProtocolVersion}})
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "export %s='%s'\n", envReattach, raw)
	}
	<-ended
	return nil
}
