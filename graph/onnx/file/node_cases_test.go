package file

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/internal/testroot"
)

// MOEZOO_ONNX_TESTS is a folder with the node cases of the ONNX project: folders that hold
// a model.onnx each, at any depth. Without it the committed few are read.
func TestONNXNodeCasesOfTheFormatsAuthorsAreAccepted(t *testing.T) {
	root := testroot.FromEnv("MOEZOO_ONNX_TESTS")
	if root == "" {
		root = "../../../backend/eval/testdata/nodes"
	}
	count := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "model.onnx" {
			return err
		}
		count++
		m, ext, err := Read(path)
		if err != nil {
			t.Error(err)
			return nil
		}
		for _, tensor := range m.GetGraph().GetInitializer() {
			_, _, _, err := TensorData(tensor, ext)
			var refused *Error
			if err != nil && !(errors.As(err, &refused) && refused.Field == "data_type") {
				t.Errorf("%s: %v", path, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count == 0 {
		t.Fatalf("no model.onnx below %s", root)
	}
	t.Logf("%d models read", count)
}
