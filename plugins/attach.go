package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/moezoo/moezoo/plugins/wire"
)

// envReattach is the variable that makes a host use providers which a person started, under
// a debugger for example: JSON, provider names to attachments. "zoo-plugin-NAME debug"
// prints it.
const envReattach = "ZOO_REATTACH_PROVIDERS"

// attachment is where such a provider listens.
type attachment struct {
	Network  string `json:"network"` // unix or tcp
	Address  string `json:"address"`
	Pid      int    `json:"pid"` // for messages; the process is never ended
	Protocol int    `json:"protocol"`
}

// parseAttachments reads the variable's text; empty is none.
func parseAttachments(text string) (map[string]attachment, error) {
	if text == "" {
		return nil, nil
	}
	fail := func(format string, args ...any) (map[string]attachment, error) {
		return nil, &InputError{
			Detail: envReattach + ": " + cleanLine(fmt.Sprintf(format, args...), maxTextBytes),
			Hint:   `want {"NAME": {"network": "unix", "address": "PATH", "pid": 1234, "protocol": 1}}, as "zoo-plugin-NAME debug" prints it`,
		}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var all map[string]attachment
	if err := d.Decode(&all); err != nil {
		return fail("it is no such JSON: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fail("something follows the JSON")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := all[name]
		switch {
		case !providerName.MatchString(name):
			return fail("%q: the name must match %s", name, providerName)
		case registered(name) != nil:
			return fail("%s is built in; give the plugin another name", name)
		case a.Network != "unix" && a.Network != "tcp":
			return fail("%s: network %q is neither unix nor tcp", name, a.Network)
		case a.Address == "":
			return fail("%s: it has no address", name)
		case a.Pid < 1:
			return fail("%s: pid %d is no process", name, a.Pid)
		case a.Protocol != ProtocolVersion:
			return fail("%s: it speaks plugin protocol %d, this zoo speaks %d", name, a.Protocol, ProtocolVersion)
		}
	}
	return all, nil
}

// addAttached adds the providers that the variable names to those found.
func (h *Host) addAttached() error {
	all, err := parseAttachments(os.Getenv(envReattach))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		at := all[name]
		h.log.Warn("plugin runs unlocked ("+envReattach+")", "plugin", name, "address", at.Address, "pid", at.Pid)
		h.add(Found{Name: name, Source: SourceAttached, Path: at.Address, attached: &at})
	}
	return nil
}

// attached is a connection to a provider that is not the host's to end. go-plugin's own
// client would ask it to shut down when it lets go of it.
type attached struct {
	name     string
	at       attachment
	conn     *grpc.ClientConn
	service  wire.ProviderClient
	timeouts Timeouts
}

// attach connects to a provider. A first connection tells in plain words whether anybody is
// there.
func attach(name string, at attachment, t Timeouts) (caller, error) {
	a := &attached{name: name, at: at, timeouts: t}
	first, err := net.DialTimeout(at.Network, at.Address, t.Start)
	if err != nil {
		return nil, a.fault("attach", fmt.Sprintf("nobody listens at %s %s, where process %d should (%s)", at.Network, at.Address, at.Pid, cleanLine(err.Error(), 200)), err)
	}
	first.Close()
	a.conn, err = grpc.NewClient("passthrough:///"+name,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, at.Network, at.Address)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.ForceCodecV2(newBudgetCodec())))
	if err != nil {
		return nil, a.fault("attach", cleanLine(err.Error(), maxTextBytes), err)
	}
	a.service = wire.NewProviderClient(a.conn)
	return a, nil
}

func (a *attached) describe(ctx context.Context) (*wire.DescribeResponse, error) {
	return ask(ctx, a.name, "describe", a.timeouts.Describe, a.callError, func(ctx context.Context) (*wire.DescribeResponse, error) {
		return a.service.Describe(ctx, &wire.DescribeRequest{HostVersion: hostVersion()})
	})
}

func (a *attached) build(ctx context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error) {
	return ask(ctx, a.name, "build "+req.Variant, a.timeouts.Build, a.callError, func(ctx context.Context) (*wire.BuildResponse, error) {
		return a.service.Build(ctx, req)
	})
}

// callError words a failed call. There is no fresh process to ask, and the provider's
// stderr is on the terminal of whoever started it.
func (a *attached) callError(op string, limit time.Duration, err error) *Error {
	st := status.Convert(err)
	text := cleanLine(st.Message(), maxTextBytes)
	switch {
	case st.Code() == codes.DeadlineExceeded:
		return a.fault(op, fmt.Sprintf("no answer within %v from process %d at %s %s", limit, a.at.Pid, a.at.Network, a.at.Address),
			fmt.Errorf("%w: %w", context.DeadlineExceeded, err))
	case st.Code() == codes.Unavailable:
		return a.fault(op, fmt.Sprintf("the connection to process %d at %s %s failed: %s", a.at.Pid, a.at.Network, a.at.Address, text), err)
	}
	e := &Error{Plugin: a.name, Op: op, Err: err}
	e.word(st.Code(), text)
	return e
}

// fault is an error that has to do with how the provider was reached.
func (a *attached) fault(op, detail string, err error) *Error {
	return &Error{Plugin: a.name, Op: op, Detail: detail, Err: err, Hint: envReattach + " names it: start the provider again and set the variable anew, or unset it"}
}

// close lets go of the provider, which lives on.
func (a *attached) close() { _ = a.conn.Close() }
