package study

import (
	"fmt"
	"io"
	"math"
	"path"
	"regexp"
	"strings"
	"text/template"
)

// Cluster says how a study's tasks run as jobs of a cluster: one task a job, each calling
// "zoo compare run FILE --task I". The file, its texts and the folder of the study lie where
// every job sees them.
type Cluster struct {
	Name     string   // of the job
	File     string   // of the study, as the jobs see it
	Out      string   // the study's folder, likewise
	Reuse    []string // folders of other studies whose finished runs are taken, likewise
	Tasks    int
	Parallel int // jobs at a time, 0 for any number
	CPUs     int
	Bytes    int     // of memory for a job
	Hours    float64 // after which a job is ended; 0 for no limit
	Image    string  // of Kubernetes: a container with zoo in it
	Claim    string  // of Kubernetes: the volume claim that is mounted at Mount
	Mount    string  // likewise: where the volume is seen, and what paths are relative to
}

// Slurm's own signal before the time limit is not the one of a cancelled or preempted job: only
// the first makes the job wait for its turn again. The batch shell gets both.
var slurm = template.Must(template.New("slurm").Funcs(clusterFuncs).Parse(`#!/bin/bash
# {{.Tasks}} runs of the study {{.Name}}, one an array task. Written by zoo compare plan --slurm.
# Submit it from the folder that its paths are relative to, which all nodes see; zoo is in the PATH there.
# A run that its time limit ends saves, is queued again and goes on, and so does one whose node fails or is taken away.
# Submit it again after anything else: what is finished is not repeated, the rest is resumed. A run is resumed on
# processors of the kind that it began on, as others give other bits, unless its command has --any-machine.
# When all are done, "zoo compare {{quote .File}} --out {{quote .Out}}" writes the report.
{{- if gt .Tasks 1001}}
# Slurm allows 1,001 tasks an array unless MaxArraySize says more: submit it in parts, sbatch --array=0-999 and so on.
{{- end}}
#SBATCH --job-name={{.Name}}
#SBATCH --array=0-{{.Last}}{{if .Parallel}}%{{.Parallel}}{{end}}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={{.CPUs}}
#SBATCH --mem={{.Megabytes}}M
{{- if .Hours}}
#SBATCH --time={{.Clock}}
{{- end}}
#SBATCH --output=slurm-%A-%a.out
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
set -u
task=${SLURM_ARRAY_TASK_ID:?is set by sbatch}
limit=
trap 'limit=near; kill -TERM "$!"' USR1
trap 'kill -TERM "$!"' TERM
zoo compare run {{quote .File}} --task "$task" --out {{quote .Out}} --threads {{.CPUs}} --memory {{.Training}}MB{{.Reused}} &
while wait "$!"; code=$?; kill -0 "$!" 2>/dev/null; do :; done # a signal ends wait, not the run
if [ -n "$limit" ] && [ "$code" -gt 128 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$task"
fi
exit "$code"
`))

var kubernetes = template.Must(template.New("kubernetes").Funcs(clusterFuncs).Parse(`# {{.Tasks}} runs of the study {{.Name}}, one an index of the Job. Written by zoo compare plan --k8s; for Kubernetes 1.33 and on.
# Paths are those below {{.Mount}}, where every Pod sees the volume: of access mode ReadWriteMany, if Pods run on several nodes.
# A run that is interrupted is resumed by the Pod that takes its place. When all are done,
# "zoo compare {{quote .File}} --out {{quote .Out}}" writes the report.
apiVersion: batch/v1
kind: Job
metadata:
  name: {{.DNSName}}
spec:
  completionMode: Indexed
  completions: {{.Tasks}}
  parallelism: {{if .Parallel}}{{.Parallel}}{{else}}{{.Tasks}}{{end}}
  backoffLimitPerIndex: {{.Retries}}
  podFailurePolicy:
    rules:
      - action: Ignore # evicted, preempted, its node drained: that is no failure of the run
        onPodConditions:
          - {type: DisruptionTarget, status: "True"}
      - action: FailIndex # diverged, wrong input, a plugin's fault: it would fail again
        onExitCodes: {containerName: zoo, operator: In, values: [1, 2, 3]}
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 120
{{- if .Hours}}
      activeDeadlineSeconds: {{.Seconds}} # of a Pod; up to {{.Retries}} others go on
{{- end}}
      containers:
        - name: zoo
          image: {{json .Image}}
          workingDir: {{json .Mount}}
          command: ["/bin/sh", "-c"]
          args:
            - {{json .Command}}
          resources:
            requests: {cpu: "{{.CPUs}}", memory: {{.Megabytes}}Mi}
            limits: {memory: {{.Megabytes}}Mi}
          volumeMounts:
            - {name: study, mountPath: {{json .Mount}}}
      volumes:
        - name: study
          persistentVolumeClaim: {claimName: {{json .Claim}}}
`))

var clusterFuncs = template.FuncMap{"quote": quote, "json": func(s string) string { return fmt.Sprintf("%q", s) }}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quote makes one word of a text in a POSIX shell.
func quote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Slurm writes a script for sbatch: an array of one task for each run.
func (c *Cluster) Slurm(w io.Writer) error { return slurm.Execute(w, c) }

// Kubernetes writes the manifest of an Indexed Job of one index for each run.
func (c *Cluster) Kubernetes(w io.Writer) error {
	if c.Image == "" || c.Claim == "" {
		return fmt.Errorf("a Job needs an image that has zoo in it, and the volume claim that holds the study")
	}
	if !path.IsAbs(c.Mount) || path.Clean(c.Mount) == "/" {
		return fmt.Errorf("--mount %s: want the folder where Pods see the volume, such as /study", c.Mount)
	}
	for _, p := range append([]string{c.File, c.Out}, c.Reuse...) {
		seen := path.Clean(p)
		if !path.IsAbs(p) {
			seen = path.Join(c.Mount, p)
		}
		if !strings.HasPrefix(seen, path.Clean(c.Mount)+"/") {
			return fmt.Errorf("%s: no Pod sees it; want a path on the volume, below --mount %s or relative to it", p, c.Mount)
		}
	}
	return kubernetes.Execute(w, c)
}

// Last is the number of the last task.
func (c *Cluster) Last() int { return c.Tasks - 1 }

// Training is how many megabytes training may take, with a tenth to spare.
func (c *Cluster) Training() int { return (c.Bytes + c.Bytes/10 + 1<<20 - 1) >> 20 }

// Megabytes of memory for a job: training, and what reads text and writes checkpoints.
func (c *Cluster) Megabytes() int { return c.Training() + 256 }

// Retries are how often a Pod takes the place of one that failed.
func (c *Cluster) Retries() int { return 3 }

// Seconds after which a job is ended.
func (c *Cluster) Seconds() int { return int(math.Ceil(c.Hours * 3600)) }

// Clock is the same as hours:minutes:seconds.
func (c *Cluster) Clock() string {
	s := c.Seconds()
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

var notDNS = regexp.MustCompile(`[^a-z0-9-]+`)

// DNSName is the name as Kubernetes allows it.
func (c *Cluster) DNSName() string {
	name := notDNS.ReplaceAllString(strings.ToLower(c.Name), "-")
	return strings.Trim(name[:min(len(name), 52)], "-") // Pods get the index behind it, 63 in all
}

// Command is what a container runs.
func (c *Cluster) Command() string {
	return fmt.Sprintf(`exec zoo compare run %s --task "$JOB_COMPLETION_INDEX" --out %s --threads %d --memory %dMB%s`, quote(c.File), quote(c.Out), c.CPUs, c.Training(), c.Reused())
}

// Reused is the part of a command that names other studies.
func (c *Cluster) Reused() string {
	out := ""
	for _, dir := range c.Reuse {
		out += " --reuse " + quote(dir)
	}
	return out
}
