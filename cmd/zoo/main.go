// Command zoo lists, builds, trains, evaluates, runs and exports sequence models.
//
// Each command is a thin file here; the work is done by package zoo and those below it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
)

func main() {
	plugins.Serve() // a child started as a plugin never returns from here
	ctx, cancel := context.WithCancelCause(context.Background())
	go watchSignals(cancel)
	root := newRoot()
	out := &output{w: os.Stdout}
	root.SetOut(out)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = out.err
	}
	closeHosts()
	code := exitCode(ctx, err)
	if err != nil && !errors.Is(err, syscall.EPIPE) && code != 130 && code != 143 {
		fmt.Fprintln(os.Stderr, "zoo: "+err.Error())
	}
	os.Exit(code)
}

// interrupted is the cause of a context that a signal ended.
type interrupted struct{ signal os.Signal }

func (i interrupted) Error() string { return "interrupted by " + i.signal.String() }

// watchSignals ends the context at the first SIGINT or SIGTERM, so that a run saves; a
// second one ends the process at once.
func watchSignals(cancel context.CancelCauseFunc) {
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	cancel(interrupted{<-c})
	s := <-c
	closeHosts()
	os.Exit(128 + int(s.(syscall.Signal)))
}
