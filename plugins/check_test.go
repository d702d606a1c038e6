//go:build unix

package plugins

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/plugins/wire"
)

func TestConfigErrorsNameThePlaceAndTheNearestOption(t *testing.T) {
	h, _ := testHost(t, Config{InProcess: true})
	for config, want := range map[string]string{
		``:                                "",
		`null`:                            "",
		`{"balance":0.5}`:                 "",
		`{"balnce":0.5}`:                  "builtin/pick: config.balnce: there is no such option (did you mean balance?)",
		`{"x":1}`:                         "builtin/pick: config.x: there is no such option (there is: balance, inner, order)",
		`{"inner":{"dept":1}}`:            "builtin/pick: config.inner.dept: there is no such option (did you mean depth?)",
		`{"inner":{"depth":"a"}}`:         "builtin/pick: config.inner.depth: got string, want integer",
		`{"balance":-1}`:                  "builtin/pick: config.balance: minimum: got -1, want 0",
		`{"order":"softmax-first"}`:       "builtin/pick: config.order: softmax-first is not one of the choices (did you mean softmax_first?)",
		`[1]`:                             "builtin/pick: the config is not a JSON object: …",
		`{} {}`:                           "builtin/pick: the config holds more than one JSON value",
		`{"a":`:                           "builtin/pick: the config is not a JSON object: unexpected EOF",
		"{\"\xff\":1}":                    "builtin/pick: the config is not UTF-8",
		strings.Repeat(" ", 70000) + `{}`: "builtin/pick: the config has 70002 bytes; 65536 are allowed",
	} {
		checkError(t, h.CheckConfig(context.Background(), RouterKind, "pick", []byte(config)), want)
	}
	checkError(t, h.CheckConfig(context.Background(), ExpertKind, "same", []byte(`{"a":1}`)),
		"builtin/same: config.a: there is no such option (no options are taken here)")
}

func TestSchemasMustBeCompleteInThemselves(t *testing.T) {
	for schema, want := range map[string]string{
		`{"$ref":"file:///etc/hostname"}`:  "a config schema must be complete in itself; it refers to file:///etc/hostname",
		`{"$ref":"https://example.org/s"}`: "a config schema must be complete in itself",
		`{"type":"objct"}`:                 "value must be one of",
		`{`:                                "it is not JSON",
		`{"type":"string","pattern":"(a"}`: "pattern",
		`{"$ref":"#/nowhere"}`:             "nowhere",
	} {
		_, err := compileSchema([]byte(schema))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want …%s…", schema, err, want)
		}
	}
	s, err := compileSchema([]byte(`{"$defs":{"a":{"$ref":"#/$defs/a"}},"properties":{"x":{"$ref":"#/$defs/a"}}}`))
	if err == nil {
		err = s.checkConfig("p/v", map[string]any{"x": 1})
	}
	t.Logf("a schema that refers to itself: %v", err) // must come back at all
}

func TestDescriptionsThatBreakTheRulesAreRefused(t *testing.T) {
	good := func() *wire.DescribeResponse {
		return &wire.DescribeResponse{Provider: "p", Version: "1", Variants: []*wire.Variant{{Name: "v", Kind: wire.Kind_KIND_ROUTER, Doc: "V."}}}
	}
	if err := checkDescription(good()); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*wire.DescribeResponse){
		`provider name "P" must match`:    func(d *wire.DescribeResponse) { d.Provider = "P" },
		`version "1/2" must match`:        func(d *wire.DescribeResponse) { d.Version = "1/2" },
		`it has 0 variants`:               func(d *wire.DescribeResponse) { d.Variants = nil },
		`it has 300 variants`:             func(d *wire.DescribeResponse) { d.Variants = make([]*wire.Variant, 300) },
		`kind 7 is neither`:               func(d *wire.DescribeResponse) { d.Variants[0].Kind = 7 },
		`it has no doc line`:              func(d *wire.DescribeResponse) { d.Variants[0].Doc = "" },
		`its doc must be one printable`:   func(d *wire.DescribeResponse) { d.Variants[0].Doc = "a\x1b[31mb" },
		`its paper must be one printable`: func(d *wire.DescribeResponse) { d.Variants[0].Paper = "a\nb" },
		`its config schema is not usable`: func(d *wire.DescribeResponse) { d.Variants[0].ConfigSchema = []byte("{") },
		`its config schema has 300000`:    func(d *wire.DescribeResponse) { d.Variants[0].ConfigSchema = make([]byte, 300000) },
		`its name must match`:             func(d *wire.DescribeResponse) { d.Variants[0].Name = "a/b" },
		`two variants have that name`:     func(d *wire.DescribeResponse) { d.Variants = append(d.Variants, d.Variants[0]) },
		`which is no operator name`: func(d *wire.DescribeResponse) {
			d.Variants[0].Capabilities = &wire.Capabilities{Allow: []string{"a b"}}
		},
	} {
		d := good()
		spoil(d)
		if err := checkDescription(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want …%s…", err, want)
		}
	}
}

func TestRegisterPanicsOnAMistake(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), `provider "builtin" registered twice`) {
			t.Errorf("got %v", r)
		}
	}()
	Register(&testProvider{name: "builtin"})
}

func TestTextFromPluginsIsCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"plain ünïcode":              "plain ünïcode",
		"\x1b[31mred\x1b[0m":         "red",
		"\x1b]0;title\x07after":      "after",
		"\x1b]8;;http://x\x1b\\link": "link",
		"\x1b":                       "",
		"\x1b[":                      "",
		"\x1bcreset":                 "reset",
		"a\x00b\x07c\u202ed":         "abcd",
		"bad \xff utf":               "bad \uFFFD utf",
		strings.Repeat("é", 20):      strings.Repeat("é", 8) + "…",
	} {
		if got := cleanText(in, 16); got != want {
			t.Errorf("cleanText(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanText(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\x1b]0;t\x07")
	f.Fuzz(func(t *testing.T, s string) {
		got := cleanText(s, 100)
		if len(got) > 110 || strings.ContainsAny(got, "\x1b\x07\x00\r") {
			t.Errorf("%q became %q", s, got)
		}
		if again := cleanText(got, 200); again != got {
			t.Errorf("not idempotent: %q, %q", got, again)
		}
	})
}

func TestLogsOfThePluginKeepTheirLevelAndOursGoToDebug(t *testing.T) {
	var out bytes.Buffer
	l := newHCLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
	l.Error("go-plugin says so")
	l.Named("zoo-plugin-x").Warn("its \x1b[1mwarning", "k", "v\x07", "odd")
	got := out.String()
	if strings.Contains(got, "go-plugin says so") || !strings.Contains(got, `level=WARN msg="its warning" k=v odd=""`) {
		t.Errorf("got %s", got)
	}
}

func TestNearestNames(t *testing.T) {
	names := []string{"switch", "topk", "hash", "random"}
	for in, want := range map[string]string{"swich": "switch", "tpok": "topk", "hsah": "hash", "banana": "", "": ""} {
		if got := nearest(in, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}
