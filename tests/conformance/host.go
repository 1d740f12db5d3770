// Package conformance launches the Outrider plugin the way Grafana does and checks what it
// answers against the wire contract.
//
// The host is built from the two libraries Grafana itself uses, hashicorp/go-plugin to start the
// process and grafana-plugin-sdk-go to talk to it, with the client configuration of Grafana: magic
// cookie, protocol 2, gRPC only, no mutual TLS, no multiplexing, nothing of the host's environment.
//
//	host.go      launch a plugin, keep one to share, stop it
//	request.go   settings and queries as Grafana sends them
//	frames.go    reading answers
//	upstream.go  HTTP servers for the plugin to query
//	process.go   processes, seen through /proc
//	*_test.go    the checks, one file a topic
package conformance

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
)

const (
	// PluginID is the id Grafana knows the plugin by.
	PluginID = "outrider-outliers-datasource"

	// PluginEnv names the environment variable that holds the path of the binary under test.
	PluginEnv = "OUTRIDER_PLUGIN"

	// Patience bounds every wait for something that must happen. It is a limit on how long a
	// broken plugin can hold the tests up, not a speed requirement.
	Patience = 60 * time.Second
)

// PluginPath is the absolute path of the binary under test, or an error that says how to give one.
func PluginPath() (string, error) {
	path := os.Getenv(PluginEnv)
	if path == "" {
		return "", fmt.Errorf("%s is not set: give it the path of the plugin's binary, for example %s=$PWD/dist/gpx_outrider_linux_amd64", PluginEnv, PluginEnv)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", PluginEnv, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w; build the plugin first (go test takes a relative path from the folder of the tests)", PluginEnv, err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s: %s is not an executable file", PluginEnv, path)
	}
	return path, nil
}

// Options vary a launch.
type Options struct {
	// Env is added to what Grafana sets.
	Env []string
	// MinPort and MaxPort bound the plugin's port; zero means go-plugin's own 10000 to 25000.
	MinPort, MaxPort uint
}

// GrafanaEnv is the environment that Grafana gives a plugin: its own version and edition, and what
// the section [plugin.<id>] of its configuration holds. Nothing of the host's environment.
func GrafanaEnv(extra ...string) []string {
	return append([]string{
		"GF_VERSION=12.4.0",
		"GF_EDITION=Open Source",
		"GF_ENTERPRISE_LICENSE_PATH=",
		"GF_PLUGIN_GRAFANA_VERSION=12.4.0",
		"GF_PLUGIN_SOME_UNKNOWN_KEY=value",
	}, extra...)
}

// Plugin is a running plugin and the six clients that Grafana takes from it.
type Plugin struct {
	Client      *goplugin.Client
	Protocol    goplugin.ClientProtocol
	Diagnostics grpcplugin.DiagnosticsClient
	Resource    grpcplugin.ResourceClient
	Data        grpcplugin.DataClient
	Stream      grpcplugin.StreamClient
	Admission   grpcplugin.AdmissionClient
	Conversion  grpcplugin.ConversionClient

	// Log is go-plugin's log, which the plugin's own log lines are forwarded into; Stderr is what
	// the process wrote, byte for byte.
	Log, Stderr *Buffer

	cmd *exec.Cmd
}

// PID is the plugin's process id.
func (p *Plugin) PID() int { return p.cmd.Process.Pid }

// ExitCode is the exit code of a plugin that ended, after Kill.
func (p *Plugin) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// ClientConfig is Grafana's configuration of go-plugin for a command.
func ClientConfig(cmd *exec.Cmd, options Options, log, stderr *Buffer) *goplugin.ClientConfig {
	tracing := otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(trace.NewTracerProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
	)
	return &goplugin.ClientConfig{
		Cmd: cmd,
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion:  grpcplugin.ProtocolVersion,
			MagicCookieKey:   grpcplugin.MagicCookieKey,
			MagicCookieValue: grpcplugin.MagicCookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{
			grpcplugin.ProtocolVersion: {
				"diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{},
				"resource":    &grpcplugin.ResourceGRPCPlugin{},
				"data":        &grpcplugin.DataGRPCPlugin{},
				"stream":      &grpcplugin.StreamGRPCPlugin{},
				"admission":   &grpcplugin.AdmissionGRPCPlugin{},
				"conversion":  &grpcplugin.ConversionGRPCPlugin{},
			},
		},
		SkipHostEnv:      true,
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		// go-plugin already lifts the message size to 2 GiB both ways; Grafana adds tracing.
		GRPCDialOptions: []grpc.DialOption{grpc.WithStatsHandler(tracing)},
		MinPort:         options.MinPort,
		MaxPort:         options.MaxPort,
		Stderr:          stderr,
		Logger: hclog.New(&hclog.LoggerOptions{
			Name:   "host",
			Level:  hclog.Trace,
			Output: log,
		}),
	}
}

// Launch starts the plugin under test and connects to it.
func Launch(options Options) (*Plugin, error) {
	path, err := PluginPath()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Env = GrafanaEnv(options.Env...)
	p := &Plugin{cmd: cmd, Log: &Buffer{}, Stderr: &Buffer{}}
	p.Client = goplugin.NewClient(ClientConfig(cmd, options, p.Log, p.Stderr))
	if err := p.connect(); err != nil {
		p.Client.Kill()
		return nil, fmt.Errorf("launching %s: %w\nits stderr:\n%s", path, err, p.Stderr.Tail(20))
	}
	return p, nil
}

func (p *Plugin) connect() (err error) {
	if p.Protocol, err = p.Client.Client(); err != nil {
		return err
	}
	if version := p.Client.NegotiatedVersion(); version != grpcplugin.ProtocolVersion {
		return fmt.Errorf("negotiated protocol version %d, want %d", version, grpcplugin.ProtocolVersion)
	}
	for _, each := range []error{
		dispense(p.Protocol, "diagnostics", &p.Diagnostics),
		dispense(p.Protocol, "resource", &p.Resource),
		dispense(p.Protocol, "data", &p.Data),
		dispense(p.Protocol, "stream", &p.Stream),
		dispense(p.Protocol, "admission", &p.Admission),
		dispense(p.Protocol, "conversion", &p.Conversion),
	} {
		if each != nil {
			return each
		}
	}
	return nil
}

func dispense[T any](protocol goplugin.ClientProtocol, name string, into *T) error {
	raw, err := protocol.Dispense(name)
	if err != nil {
		return fmt.Errorf("dispensing %s: %w", name, err)
	}
	client, ok := raw.(T)
	if !ok {
		return fmt.Errorf("dispensing %s: got a %T", name, raw)
	}
	*into = client
	return nil
}

// launch starts a plugin of the test's own, which ends with the test. If the test fails, the end
// of the plugin's log is shown.
func launch(t *testing.T, options Options) *Plugin {
	t.Helper()
	p, err := Launch(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Client.Kill()
		showLog(t, p)
	})
	return p
}

var shared struct {
	sync.Mutex
	plugin *Plugin
}

// host is the plugin that most tests share. A test that makes it exit fails, whatever else it
// found; the next test gets a fresh one.
func host(t *testing.T) *Plugin {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.plugin == nil || shared.plugin.Client.Exited() {
		p, err := Launch(Options{})
		if err != nil {
			t.Fatal(err)
		}
		shared.plugin = p
	}
	p := shared.plugin
	t.Cleanup(func() {
		if p.Client.Exited() || !alive(p.PID()) {
			t.Error("the plugin's process ended during this test")
		}
		showLog(t, p)
	})
	return p
}

func stopShared() {
	shared.Lock()
	defer shared.Unlock()
	if shared.plugin != nil {
		shared.plugin.Client.Kill()
	}
}

// explainedBy are the failed tests beside which the plugin's log was shown, so that it is not shown
// again for the tests they are part of.
var explainedBy []string

func showLog(t *testing.T, p *Plugin) {
	t.Helper()
	part := func(name string) bool { return name == t.Name() || strings.HasPrefix(name, t.Name()+"/") }
	if !t.Failed() || slices.ContainsFunc(explainedBy, part) {
		return
	}
	explainedBy = append(explainedBy, t.Name())
	if tail := p.Stderr.Tail(8); tail != "" {
		t.Logf("the plugin's last log lines:\n%s", tail)
	}
}

// inOrder goes through a table in the order of its names, so that tests run in the same order
// every time.
func inOrder[V any](table map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, name := range slices.Sorted(maps.Keys(table)) {
			if !yield(name, table[name]) {
				return
			}
		}
	}
}

// patient is a context for a call that has to return.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	t.Cleanup(cancel)
	return ctx
}

// waitFor polls until the condition holds, or fails the test after the limit.
func waitFor(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for: %s", limit, what)
		}
	}
}

// Buffer is a bytes.Buffer for several goroutines.
type Buffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(p)
}

func (b *Buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.String()
}

// Lines are the complete, non-empty lines written so far.
func (b *Buffer) Lines() []string {
	var lines []string
	for line := range strings.SplitAfterSeq(b.String(), "\n") {
		if text, complete := strings.CutSuffix(line, "\n"); complete && text != "" {
			lines = append(lines, text)
		}
	}
	return lines
}

// Tail is the last n lines.
func (b *Buffer) Tail(n int) string {
	lines := b.Lines()
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
