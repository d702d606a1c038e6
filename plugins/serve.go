package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	hclog "github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// mayStartSelf is set once Serve has returned: this program, started again with
// the cookie, becomes a provider.
var mayStartSelf atomic.Bool

// Serve is the first call in main (or TestMain) of a program that uses the zoo.
// When a host started the program as a plugin, Serve serves a registered
// provider and never returns; otherwise it returns at once, and a [Host] may
// start this same program to run the built-in plugins out of process.
func Serve() {
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		mayStartSelf.Store(true)
		return
	}
	p, err := chosenProvider(os.Getenv(envProvider))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	serve(p)
}

// Main is the main function of a stand-alone plugin. Started by a host it
// serves. Started by hand with the argument "describe" it prints what it offers
// as JSON; with "debug", which a debugger may start as well, it serves until it is
// interrupted and prints the variable that makes a host attach to it; else it says
// what it is. It never returns.
func Main() {
	if os.Getenv(handshake.MagicCookieKey) == handshake.MagicCookieValue {
		Serve()
	}
	p, err := chosenProvider("")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	d, err := p.Describe(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "describe:", err)
		os.Exit(1)
	}
	switch strings.Join(os.Args[1:], " ") {
	case "describe":
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(describe(d))
	case "debug":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = serveDebug(ctx, d.Provider, p, os.Stdout)
		stop()
	default:
		fmt.Fprintf(os.Stderr, "%s is a plugin for the zoo (provider %s %s, protocol %d).\n"+
			"  %s describe         prints what it offers\n"+
			"  %s debug            serves until interrupted, for a zoo that attaches to it\n"+
			"  zoo plugin install %s\n",
			path.Base(os.Args[0]), d.Provider, d.Version, ProtocolVersion, os.Args[0], os.Args[0], os.Args[0])
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// chosenProvider is the registered provider to serve: the named one, or the only
// one.
func chosenProvider(name string) (Provider, error) {
	names := registeredNames()
	switch {
	case name == "" && len(names) == 1:
		return registered(names[0]), nil
	case name == "":
		return nil, fmt.Errorf("a plugin serves one provider; this program has %d (%s)", len(names), strings.Join(names, ", "))
	case registered(name) == nil:
		return nil, fmt.Errorf("no provider %q in this program; it has %s", name, strings.Join(names, ", "))
	}
	return registered(name), nil
}

// serve runs the gRPC service until the host ends it or dies.
func serve(p Provider) {
	watchHost()
	plugin.Serve(serveConfig(p))
	os.Exit(0)
}

// serveConfig is what go-plugin needs to know of a provider.
func serveConfig(p Provider) *plugin.ServeConfig {
	stderr := os.Stderr
	keep := sync.OnceFunc(func() { os.Stderr = stderr })
	return &plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{serviceName: &grpcService{impl: serviceServer{p: p}}},
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o,
				grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
				grpc.ChainUnaryInterceptor(
					// go-plugin sends stderr over the connection, where the last words of
					// a dying process are lost; the pipe it inherited keeps them.
					func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
						keep()
						return h(ctx, req)
					}, recoverPanic))...)
		},
	}
}

// recoverPanic turns a panic in a handler into an error, so that one bad Build
// takes neither the process nor its other variants down. The stack goes to
// stderr, whose tail the host shows.
func recoverPanic(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", r, debug.Stack())
			err = status.Errorf(codes.Internal, "panic: %v", r)
		}
	}()
	return h(ctx, req)
}
