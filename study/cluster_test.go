package study_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/moezoo/moezoo/study"
)

func cluster() *study.Cluster {
	return &study.Cluster{
		Name: "Paper_debug.1", File: "/shared/a b/it's.yaml", Out: "/shared/out", Tasks: 18, Parallel: 6, CPUs: 4, Bytes: 100 << 20, Hours: 1.5,
		Image: "registry.example/zoo:1", Claim: "study", Mount: "/shared",
	}
}

// TestSlurmScriptIsOne: the shell accepts it, the options are those of an array, and a local
// shell that plays sbatch makes the calls.
func TestSlurmScriptIsOne(t *testing.T) {
	var b bytes.Buffer
	if err := cluster().Slurm(&b); err != nil {
		t.Fatal(err)
	}
	options := map[string]string{}
	for line := range strings.Lines(b.String()) {
		if o, ok := strings.CutPrefix(line, "#SBATCH --"); ok {
			k, v, _ := strings.Cut(strings.TrimSpace(o), "=")
			options[k] = v
		}
	}
	for k, want := range map[string]string{"array": "0-17%6", "cpus-per-task": "4", "mem": "366M", "time": "01:30:00", "signal": "B:USR1@120", "job-name": "Paper_debug.1", "requeue": "", "open-mode": "append"} {
		if got, ok := options[k]; !ok || got != want {
			t.Errorf("--%s=%q, want %q", k, got, want)
		}
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "job")
	for name, text := range map[string]string{"job": b.String(), "zoo": "#!/bin/sh\nprintf '<%s>' \"$@\"\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("bash", "-n", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := exec.Command("bash", script)
	c.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "SLURM_ARRAY_TASK_ID=5"}
	out, err := c.CombinedOutput()
	if want := "<compare><run></shared/a b/it's.yaml><--task><5><--out></shared/out><--threads><4><--memory><110MB>"; err != nil || string(out) != want {
		t.Errorf("%s\nwant %s\n%v", out, want, err)
	}
	c.Env = c.Env[:1]
	if out, err := exec.Command("env", "-i", "PATH="+dir+":"+os.Getenv("PATH"), "bash", script).CombinedOutput(); err == nil || !strings.Contains(string(out), "is set by sbatch") {
		t.Errorf("outside of an array: %s", out)
	}
}

// TestSlurmJobsAreQueuedAgainOnlyWhenTheirTimeIsUp plays Slurm: a job that is told of its limit
// saves and is queued again, one that is cancelled saves and is not, and neither is one that
// ends by itself.
func TestSlurmJobsAreQueuedAgainOnlyWhenTheirTimeIsUp(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	if err := cluster().Slurm(&b); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"job":      b.String(),
		"zoo":      "#!/bin/bash\n[ \"$HOW\" = fails ] && exit 2\ntrap 'echo saved >>log; exit 143' TERM\necho began >>log\nfor i in $(seq 300); do sleep 0.1; done\n",
		"scontrol": "#!/bin/sh\necho \"$@\" >>log\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, how := range []struct {
		name   string
		signal syscall.Signal
		log    string
		code   int
	}{
		{"limit", syscall.SIGUSR1, "began\nsaved\nrequeue 77_5\n", 143},
		{"cancelled", syscall.SIGTERM, "began\nsaved\n", 143},
		{"fails", 0, "", 2},
	} {
		log := filepath.Join(dir, "log")
		if err := os.WriteFile(log, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("bash", "job")
		c.Dir, c.Env = dir, []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "SLURM_ARRAY_TASK_ID=5", "SLURM_ARRAY_JOB_ID=77", "HOW=" + how.name}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(20 * time.Second); how.signal != 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if raw, _ := os.ReadFile(log); len(raw) > 0 {
				_ = c.Process.Signal(how.signal)
				break
			}
		}
		_ = c.Wait()
		if raw, err := os.ReadFile(log); err != nil || string(raw) != how.log || c.ProcessState.ExitCode() != how.code {
			t.Errorf("%s: the job ends with %v and %q, want %d and %q: %v", how.name, c.ProcessState, raw, how.code, how.log, err)
		}
	}
}

// job is the part of a batch/v1 Job that the manifest may have; unknown keys are mistakes.
type job struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		CompletionMode       string `yaml:"completionMode"`
		Completions          int
		Parallelism          int
		BackoffLimitPerIndex int `yaml:"backoffLimitPerIndex"`
		PodFailurePolicy     struct {
			Rules []struct {
				Action          string
				OnPodConditions []struct{ Type, Status string } `yaml:"onPodConditions"`
				OnExitCodes     struct {
					ContainerName string `yaml:"containerName"`
					Operator      string
					Values        []int
				} `yaml:"onExitCodes"`
			}
		} `yaml:"podFailurePolicy"`
		Template struct {
			Spec struct {
				RestartPolicy                 string `yaml:"restartPolicy"`
				TerminationGracePeriodSeconds int    `yaml:"terminationGracePeriodSeconds"`
				ActiveDeadlineSeconds         int    `yaml:"activeDeadlineSeconds"`
				Containers                    []struct {
					Name, Image   string
					WorkingDir    string `yaml:"workingDir"`
					Command, Args []string
					Resources     struct{ Requests, Limits map[string]string }
					VolumeMounts  []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name                  string
					PersistentVolumeClaim struct {
						ClaimName string `yaml:"claimName"`
					} `yaml:"persistentVolumeClaim"`
				}
			}
		}
	}
}

func TestKubernetesManifestIsAnIndexedJob(t *testing.T) {
	var b bytes.Buffer
	if err := cluster().Kubernetes(&b); err != nil {
		t.Fatal(err)
	}
	var j job
	if err := yaml.NewDecoder(&b, yaml.Strict()).Decode(&j); err != nil {
		t.Fatal(err)
	}
	s, pod := j.Spec, j.Spec.Template.Spec
	if j.APIVersion != "batch/v1" || j.Kind != "Job" || j.Metadata.Name != "paper-debug-1" || s.CompletionMode != "Indexed" || s.Completions != 18 || s.Parallelism != 6 || pod.ActiveDeadlineSeconds != 5400 || s.BackoffLimitPerIndex < 1 {
		t.Errorf("%+v", j)
	}
	if pod.RestartPolicy != "Never" || len(pod.Containers) != 1 || len(pod.Volumes) != 1 { // Indexed Jobs with a backoff limit for each index want Never
		t.Fatalf("%+v", pod)
	}
	c := pod.Containers[0]
	// The first rule that fits a failed Pod counts: what was taken away must not fail its run.
	if r := s.PodFailurePolicy.Rules; len(r) != 2 || r[0].Action != "Ignore" || len(r[0].OnPodConditions) != 1 || r[0].OnPodConditions[0].Type != "DisruptionTarget" ||
		r[1].Action != "FailIndex" || r[1].OnExitCodes.ContainerName != c.Name || r[1].OnExitCodes.Operator != "In" || !slices.Equal(r[1].OnExitCodes.Values, []int{1, 2, 3}) {
		t.Errorf("%+v", s.PodFailurePolicy)
	}
	if c.Image != "registry.example/zoo:1" || c.WorkingDir != "/shared" || c.Resources.Requests["cpu"] != "4" || c.Resources.Limits["memory"] != "366Mi" || c.VolumeMounts[0].MountPath != "/shared" ||
		c.VolumeMounts[0].Name != pod.Volumes[0].Name || pod.Volumes[0].PersistentVolumeClaim.ClaimName != "study" {
		t.Errorf("%+v", pod)
	}
	// The container's command, with a zoo that tells its arguments.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "zoo"), []byte("#!/bin/sh\nprintf '<%s>' \"$@\"\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	run := exec.Command(c.Command[0], append(c.Command[1:], c.Args...)...)
	run.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "JOB_COMPLETION_INDEX=" + strconv.Itoa(11)}
	out, err := run.CombinedOutput()
	if want := "<compare><run></shared/a b/it's.yaml><--task><11><--out></shared/out><--threads><4><--memory><110MB>"; err != nil || string(out) != want {
		t.Errorf("%s\nwant %s\n%v", out, want, err)
	}
	without := cluster()
	without.Claim = ""
	if without.Kubernetes(&b) == nil {
		t.Error("a Job without a volume is written")
	}
	for path, ok := range map[string]bool{"a/b": true, "/shared/a": true, "../a": false, "/sharedness/a": false, "/shared/../a": false} {
		elsewhere := cluster()
		elsewhere.Out = path
		if err := elsewhere.Kubernetes(io.Discard); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), path+": no Pod sees it") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
