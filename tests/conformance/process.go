package conformance

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// RawProcess is the plugin's binary run without go-plugin, so that every byte it prints is seen.
type RawProcess struct {
	Stdout, Stderr *Buffer

	cmd  *exec.Cmd
	done chan struct{}
}

// handshakeEnv is what go-plugin adds to the environment of a plugin.
func handshakeEnv(extra ...string) []string {
	return append([]string{
		"grafana_plugin_type=datasource",
		"PLUGIN_PROTOCOL_VERSIONS=2",
	}, extra...)
}

func launchRaw(t *testing.T, env []string, arguments ...string) *RawProcess {
	t.Helper()
	path, err := PluginPath()
	if err != nil {
		t.Fatal(err)
	}
	p := &RawProcess{Stdout: &Buffer{}, Stderr: &Buffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(path, arguments...)
	p.cmd.Env = append([]string{}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.Stdout, p.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

// signal sends a signal.
func (p *RawProcess) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("sending %v: %v", signal, err)
	}
}

// exitCode waits for the end of the process; -1 stands for death by a signal.
func (p *RawProcess) exitCode(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("the process did not end within %v", limit)
		return 0
	}
}

// handshake waits for the first line on stdout.
func (p *RawProcess) handshake(t *testing.T) string {
	t.Helper()
	var line string
	waitFor(t, Patience, "a handshake line on stdout", func() bool {
		if lines := p.Stdout.Lines(); len(lines) > 0 {
			line = lines[0]
			return true
		}
		select {
		case <-p.done:
			t.Fatalf("the process ended (exit code %d) before its handshake; stderr:\n%s", p.cmd.ProcessState.ExitCode(), p.Stderr)
		default:
		}
		return false
	})
	return line
}

// procStat are the fields of /proc/<pid>/stat after the command's name: state first.
func procStat(pid int) ([]string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	text := string(raw)
	return strings.Fields(text[strings.LastIndexByte(text, ')')+1:]), nil
}

// alive says whether a process runs; one that ended but was not waited for (a zombie) does not.
func alive(pid int) bool {
	fields, err := procStat(pid)
	return err == nil && len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}

// cpuTicks is the processor time a process has used, in clock ticks (10 ms).
func cpuTicks(t *testing.T, pid int) int {
	t.Helper()
	fields, err := procStat(pid)
	if err != nil {
		t.Fatalf("processor time of the plugin: %v", err)
	}
	const user, system = 11, 12
	sum := 0
	for _, index := range []int{user, system} {
		ticks, err := strconv.Atoi(fields[index])
		if err != nil {
			t.Fatalf("processor time of the plugin: %v", err)
		}
		sum += ticks
	}
	return sum
}

// freePort is a port nothing listens on.
func freePort(t *testing.T) uint {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return uint(listener.Addr().(*net.TCPAddr).Port)
}
