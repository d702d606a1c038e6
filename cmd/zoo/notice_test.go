package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestEveryModuleOfTheProgramIsInTheNotice, and none besides.
func TestEveryModuleOfTheProgramIsInTheNotice(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=1") // with the binding of ONNX Runtime
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("../../NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	_, modules, ok := strings.Cut(string(raw), "contain these modules")
	if !ok {
		t.Fatal("NOTICE lists no modules")
	}
	noted := strings.FieldsFunc(modules, func(r rune) bool { return strings.ContainsRune(" ,\n", r) })
	linked := strings.Fields(string(out))
	for _, m := range linked {
		if !slices.Contains(noted, m) {
			t.Errorf("%s is not in NOTICE", m)
		}
	}
	for _, m := range noted {
		if strings.Contains(m, ".") && strings.Contains(m, "/") && !slices.Contains(linked, m) {
			t.Errorf("NOTICE lists %s, which is not linked", m)
		}
	}
}
