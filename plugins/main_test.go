//go:build unix

package plugins

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
	"github.com/moezoo/moezoo/plugins/wire"
)

// The test binary is the host under test, its own built-in provider, and, copied
// under the name zoo-plugin-…, a plugin with the fault that ZOO_FAULT names. ZOO_TEST_NAME
// is what it calls itself when a person starts it.
func TestMain(m *testing.M) {
	if os.Getenv("ZOO_TEST_HOST") != "" && os.Getenv(handshake.MagicCookieKey) == "" {
		Register(&testProvider{name: "builtin"})
		Serve()
		helperHost()
	}
	name := "builtin"
	if os.Getenv(handshake.MagicCookieKey) != "" && os.Getenv(envProvider) == "" {
		name = "faulty"
		beforeHandshake(os.Getenv("ZOO_FAULT"))
	}
	if given := os.Getenv("ZOO_TEST_NAME"); given != "" {
		name = given
	}
	Register(&testProvider{name: name})
	if strings.HasPrefix(filepath.Base(os.Args[0]), binaryPrefix) {
		Main()
	}
	Serve()
	os.Exit(m.Run())
}

// testSchema is the config of every variant of the test provider.
const testSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "balance": {"type": "number", "minimum": 0, "default": 0.01, "description": "weight"},
    "order": {"enum": ["softmax_first", "topk_first"], "default": "topk_first", "description": "order"},
    "inner": {"type": "object", "properties": {"depth": {"type": "integer"}}, "additionalProperties": false, "default": {}, "description": "more"}
  },
  "additionalProperties": false
}`

// testProvider serves one router and one expert whose functions are plain bytes.
type testProvider struct {
	name      string
	described atomic.Int32
}

// fault is what goes wrong in this process: never in the host's own program as a provider.
func (p *testProvider) fault() string {
	if os.Getenv(envProvider) != "" {
		return ""
	}
	return os.Getenv("ZOO_FAULT")
}

// Describe implements Provider.
func (p *testProvider) Describe(context.Context) (*wire.DescribeResponse, error) {
	fault := p.fault()
	if p.described.Add(1) == 1 {
		fault = "" // Register asks first, then the host
	}
	switch fault {
	case "describe-hang":
		time.Sleep(time.Hour)
	case "describe-nonsense":
		return &wire.DescribeResponse{Provider: "../../etc", Version: "1"}, nil
	case "describe-utf8":
		d := &wire.DescribeResponse{Version: "1"}
		d.ProtoReflect().SetUnknown([]byte("\x0a\x01\xff")) // field 1, the provider's name
		return d, nil
	case "describe-ansi":
		return &wire.DescribeResponse{Provider: p.name, Version: "1\x1b[2J\x1b]0;owned\x07"}, nil
	case "describe-65MiB":
		return &wire.DescribeResponse{Provider: p.name, Version: "1", Variants: []*wire.Variant{{Name: "pick", Kind: wire.Kind_KIND_ROUTER, Doc: "X.", ConfigSchema: make([]byte, 65<<20)}}}, nil
	case "describe-otherwise":
		return &wire.DescribeResponse{
			Provider: "somebody", Version: "1.0.0",
			Variants: []*wire.Variant{{Name: "x", Kind: wire.Kind_KIND_ROUTER, Doc: "X."}},
		}, nil
	}
	schema := testSchema
	switch fault {
	case "open-schema":
		schema = `{"type": "object"}`
	case "undocumented":
		schema = `{"type": "object", "properties": {"balance": {"type": "number"}}, "additionalProperties": false}`
	case "wrong-default":
		schema = strings.Replace(testSchema, "0.01", "-1", 1)
	}
	version := "1.2.3"
	if v := os.Getenv("ZOO_TEST_VERSION"); v != "" {
		version = v
	}
	return &wire.DescribeResponse{Provider: p.name, Version: version, Variants: []*wire.Variant{
		{
			Name: "pick", Kind: wire.Kind_KIND_ROUTER, Doc: "Sends every token to expert 0.", Paper: "arXiv:0000.00000",
			ConfigSchema: []byte(schema), Capabilities: &wire.Capabilities{Causal: true}, Revision: 1,
		},
		{Name: "same", Kind: wire.Kind_KIND_EXPERT, Doc: "Answers its input.", Revision: 2},
	}}, nil
}

// Build implements Provider; ZOO_FAULT spoils the answer.
func (p *testProvider) Build(_ context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error) {
	if req.Variant != "pick" && req.Variant != "same" {
		return nil, status.Errorf(codes.NotFound, "no variant %q; there is pick, same", req.Variant)
	}
	fault := p.fault()
	if req.Variant == "pick" && fault != "any-options" && !json.Valid(req.Config) || strings.HasPrefix(string(req.Config), "[") {
		return nil, status.Error(codes.InvalidArgument, "the options are no JSON object")
	}
	r := goodAnswer(req)
	if f := callFaults[fault]; f != nil {
		f()
	}
	if f := answerFaults[fault]; f != nil {
		f(r)
	}
	if fault == "refuse" {
		return nil, status.Error(codes.InvalidArgument, "experts must be even, got 3 \x1b[31mred\x1b[0m")
	}
	return r, nil
}

func goodAnswer(req *wire.BuildRequest) *wire.BuildResponse {
	r := &wire.BuildResponse{
		Train: []byte(fmt.Sprintf("function %s %s %d", req.Variant, req.Config, req.Dims["d_model"])),
		Params: []*wire.Param{{
			Tensor: &wire.TensorSpec{Name: "weight", Dtype: dtypeFloat, Dims: []int64{req.Dims["d_model"], 4}},
			Init:   &wire.Init{Scheme: "normal", Args: []*wire.Arg{{Name: "mean"}, {Name: "std", Value: 0.02}}}, Decay: true,
		}},
	}
	if req.Variant == "pick" {
		r.Routing = &wire.BuildResponse_Assign{Assign: &wire.Assign{Expert: "expert", Weight: "weight_out"}}
		r.Losses = []*wire.AuxLoss{{Name: "balance", Output: "balance_out", Weight: 0.01}}
	}
	return r
}

// callFaults are what a provider does in mid-call.
var callFaults = map[string]func(){
	"panic": func() { panic("index out of range in topk") },
	"exit":  func() { fmt.Fprintln(os.Stderr, "cannot go on"); os.Exit(7) },
	"kill":  func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) },
	"hang":  func() { time.Sleep(time.Hour) },
	"stop": func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(time.Hour) // other threads may stop a moment later
	},
	"flood": func() {
		line := bytes.Repeat([]byte("y"), 1<<20)
		for range 2 {
			os.Stdout.Write(line)
			os.Stderr.Write(line)
		}
	},
	"print": func() { fmt.Println("debug: building") },
	"ansi": func() {
		fmt.Fprintln(os.Stderr, "[WARN] \x1b[2J\x1b[31mowned\x1b[0m\x07 \x1b]0;title\x07end")
	},
	"exit-once": func() {
		if f, err := os.OpenFile(os.Getenv("ZOO_TEST_ONCE"), os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
			os.Exit(7)
		}
	},
	"grandchild": func() {
		cmd := exec.Command("sleep", "1000")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		os.WriteFile(os.Getenv("ZOO_TEST_ONCE"), []byte(fmt.Sprint(cmd.Process.Pid)), 0o600)
	},
}

type (
	wireRequest  = wire.BuildRequest
	wireResponse = wire.BuildResponse
)

// answerFaults are spoilt answers.
var answerFaults = map[string]func(*wire.BuildResponse){
	"dims-huge":     func(r *wire.BuildResponse) { r.Params[0].Tensor.Dims = []int64{1 << 62, 4} },
	"dims-negative": func(r *wire.BuildResponse) { r.Params[0].Tensor.Dims = []int64{-1} },
	"dims-overflow": func(r *wire.BuildResponse) { r.Params[0].Tensor.Dims = []int64{1 << 33, 1 << 33} },
	"nan-init":      func(r *wire.BuildResponse) { r.Params[0].Init.Args[1].Value = math.NaN() },
	"inf-loss":      func(r *wire.BuildResponse) { r.Losses[0].Weight = math.Inf(1) },
	"bad-scheme":    func(r *wire.BuildResponse) { r.Params[0].Init.Scheme = "norml" },
	"bad-name":      func(r *wire.BuildResponse) { r.Params[0].Tensor.Name = "../w\x1b[31m" },
	// Unknown fields are written as they are, so the host reads field 3, a param.
	"bad-utf8":      func(r *wire.BuildResponse) { r.ProtoReflect().SetUnknown([]byte("\x1a\x05\x0a\x03\x0a\x01\xff")) },
	"bomb":          func(r *wire.BuildResponse) { r.ProtoReflect().SetUnknown(bytes.Repeat([]byte("\x1a\x00"), 8<<20)) },
	"twice":         func(r *wire.BuildResponse) { r.Params = append(r.Params, r.Params[0]) },
	"no-function":   func(r *wire.BuildResponse) { r.Train = nil },
	"no-routing":    func(r *wire.BuildResponse) { r.Routing = nil },
	"function-9MiB": func(r *wire.BuildResponse) { r.Train = make([]byte, 9<<20) },
	"many-params":   func(r *wire.BuildResponse) { r.Params = make([]*wire.Param, 5000) },
	"reply-65MiB":   func(r *wire.BuildResponse) { r.Train = make([]byte, 65<<20) },
	"nan-loss":      func(r *wire.BuildResponse) { r.Losses[0].Weight = math.NaN() },
	"nan-fill": func(r *wire.BuildResponse) {
		r.States = []*wire.State{{Tensor: &wire.TensorSpec{Name: "bias", Dtype: dtypeFloat, Dims: []int64{4}}, Fill: math.NaN()}}
	},
	"cycle": func(r *wire.BuildResponse) {
		r.Train = functionBytes(&pb.NodeProto{Name: "a", OpType: "Add", Input: []string{"x", "b"}, Output: []string{"a"}}, &pb.NodeProto{Name: "b", OpType: "Neg", Input: []string{"a"}, Output: []string{"b"}})
	},
	"old-opset": func(r *wire.BuildResponse) {
		f := &pb.FunctionProto{Name: "f", Input: []string{"x", "weight"}, OpsetImport: []*pb.OperatorSetIdProto{{Version: 9}}}
		r.Train, _ = proto.Marshal(f)
	},
	"other-opset": func(r *wire.BuildResponse) {
		f := &pb.FunctionProto{Name: "f", Input: []string{"x", "weight"}, OpsetImport: []*pb.OperatorSetIdProto{{Domain: "com.evil", Version: 1}}}
		r.Train, _ = proto.Marshal(f)
	},
	"million-ops": func(r *wire.BuildResponse) { // as small as they can be: 7 bytes each
		r.Train = append(functionBytes(), bytes.Repeat([]byte("\x3a\x05\x22\x03Neg"), 1_000_000)...)
	},
	"million-large-ops": func(r *wire.BuildResponse) {
		r.Train = append(functionBytes(), bytes.Repeat([]byte("\x3a\x0c\x0a\x01x\x12\x02yy\x22\x03Neg"), 1_000_000)...)
	},
	"function-utf8": func(r *wire.BuildResponse) { // a node whose name is no UTF-8
		r.Train = append(functionBytes(), "\x3a\x03\x1a\x01\xff"...)
	},
	"function-ansi": func(r *wire.BuildResponse) {
		r.Train = functionBytes(&pb.NodeProto{Name: "\x1b[31mred\x07", OpType: "\x1b[2JNeg", Input: []string{"x"}, Output: []string{"y"}})
	},
	"unlisted-states": func(r *wire.BuildResponse) {
		r.States = []*wire.State{{Tensor: &wire.TensorSpec{Name: "bias", Dtype: dtypeFloat, Dims: []int64{4}}, AccumulateOutput: "count", Accumulate: 1, Update: []byte("u")}}
	},
	"later-impure": func(r *wire.BuildResponse) { // another process answers otherwise
		r.Train = append(r.Train, fmt.Sprint(os.Getpid())...)
	},
	"impure": func(r *wire.BuildResponse) { r.Train = []byte(fmt.Sprint(time.Now().UnixNano())) },
	"diagnostics": func(r *wire.BuildResponse) {
		r.Diagnostics = []*wire.Diagnostic{
			{Severity: wire.Severity_SEVERITY_WARNING, Summary: "slow"},
			{Severity: wire.Severity_SEVERITY_ERROR, Summary: "too large", Detail: "at most 1", ConfigPath: []string{"balance"}},
		}
	},
}

// functionBytes is a function of these nodes, of the inputs that the test's router has.
func functionBytes(nodes ...*pb.NodeProto) []byte {
	raw, err := proto.Marshal(&pb.FunctionProto{
		Name: "f", Domain: "plugin", Input: []string{"x", "weight"}, Node: nodes, OpsetImport: []*pb.OperatorSetIdProto{{Version: 18}},
	})
	if err != nil {
		panic(err)
	}
	return raw
}

// beforeHandshake does what a provider may do before it shakes hands.
func beforeHandshake(fault string) {
	switch fault {
	case "garbage":
		fmt.Println("hello from init()")
	case "die":
		fmt.Fprintln(os.Stderr, "cannot open libfoo.so")
		os.Exit(4)
	case "cookie":
		fmt.Fprintln(os.Stderr, "This binary is a plugin. These are not meant to be executed directly.")
		os.Exit(1)
	case "nohandshake":
		time.Sleep(time.Hour)
	case "deaf": // ignores the polite signals as well
		signalIgnore()
		time.Sleep(time.Hour)
	case "version":
		fmt.Printf("1|9|unix|%s|grpc\n", os.Getenv("PLUGIN_UNIX_SOCKET_DIR")+"/s")
		time.Sleep(time.Hour)
	case "core-version":
		fmt.Printf("7|1|unix|%s|grpc\n", os.Getenv("PLUGIN_UNIX_SOCKET_DIR")+"/s")
		time.Sleep(time.Hour)
	case "netrpc":
		fmt.Printf("1|1|unix|%s|netrpc\n", testSocket())
		time.Sleep(time.Hour)
	case "address-outside":
		fmt.Println("1|1|unix|/tmp/other.sock|grpc")
		time.Sleep(time.Hour)
	case "address-tcp":
		fmt.Println("1|1|tcp|127.0.0.1:22|grpc")
		time.Sleep(time.Hour)
	case "address-dots":
		fmt.Printf("1|1|unix|%s/../../s|grpc\n", os.Getenv("PLUGIN_UNIX_SOCKET_DIR"))
		time.Sleep(time.Hour)
	case "address-symlink":
		link := os.Getenv("PLUGIN_UNIX_SOCKET_DIR") + "/link"
		_ = os.Symlink(testSocket(), link)
		fmt.Printf("1|1|unix|%s|grpc\n", link)
		time.Sleep(time.Hour)
	case "address-ansi":
		fmt.Println("1|1|unix|/tmp/\x1b[31mred\x07|grpc")
		time.Sleep(time.Hour)
	case "address-file":
		path := os.Getenv("PLUGIN_UNIX_SOCKET_DIR") + "/f"
		_ = os.WriteFile(path, nil, 0o600)
		fmt.Printf("1|1|unix|%s|grpc\n", path)
		time.Sleep(time.Hour)
	case "long-line":
		fmt.Print(strings.Repeat("x", 1<<20))
		time.Sleep(time.Hour)
	case "stdin":
		b := make([]byte, 5)
		n, err := os.Stdin.Read(b)
		fmt.Fprintf(os.Stderr, "stdin: %d bytes, %v\n", n, err)
		os.Exit(5)
	case "environment":
		fmt.Fprintf(os.Stderr, "token=%q path=%v\n", os.Getenv("SECRET_TOKEN"), os.Getenv("PATH") != "")
		os.Exit(6)
	}
}
