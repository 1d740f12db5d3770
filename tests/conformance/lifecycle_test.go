package conformance

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helperEnv makes the test binary act as a host: "idle" launches the plugin and prints its process
// id, "busy" does so once the plugin computes; "connect" opens $SOCKET and says how that went.
const helperEnv = "OUTRIDER_CONFORMANCE_HELPER"

// runHelper as a host never returns unless it fails; the test that started it kills it.
func runHelper(role string) error {
	if role == "connect" {
		connection, err := net.Dial("unix", os.Getenv("SOCKET"))
		if err != nil {
			return err
		}
		fmt.Println("connected")
		return connection.Close()
	}
	p, err := Launch(Options{})
	if err != nil {
		return err
	}
	if role == "busy" {
		go func() { _, _ = p.Query(context.Background(), queryRequest(generator, nil, large(1, 100))) }()
		// Started without a test to fail: the test that waits for the line below has a deadline.
		for used := 0; used < 5; time.Sleep(5 * time.Millisecond) {
			if fields, err := procStat(p.PID()); err == nil {
				used, _ = strconv.Atoi(fields[11])
			}
		}
	}
	fmt.Println("pid", p.PID())
	select {}
}

// exitsGracefully checks what a plugin owes a host that is done with it.
func exitsGracefully(t *testing.T, p *Plugin) {
	t.Helper()
	pid, started := p.PID(), time.Now()
	p.Client.Kill()
	if took := time.Since(started); took > time.Second {
		t.Errorf("Kill returned after %v, want at most a second", took)
	}
	if alive(pid) {
		t.Error("the process lives on")
	}
	if !p.Client.Exited() {
		t.Error("go-plugin does not consider it exited")
	}
	if code := p.ExitCode(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	for _, line := range p.Log.Lines() {
		if strings.Contains(line, "failed to exit gracefully") || strings.Contains(line, "error closing client") {
			t.Errorf("go-plugin logs: %s", line)
		}
	}
}

func TestKillIsGraceful(t *testing.T) {
	t.Run("at once", func(t *testing.T) { exitsGracefully(t, launch(t, Options{})) })
	t.Run("after work", func(t *testing.T) {
		p := launch(t, Options{})
		p.healthy(t)
		p.frames(t, generator, Query{})
		exitsGracefully(t, p)
	})
	t.Run("while a query waits for its upstream", func(t *testing.T) {
		upstream, arrived, _ := startSilent(t)
		p := launch(t, Options{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = p.Query(patient(t), queryRequest(httpJSON(upstream.URL, JSON{"timeout": 600}), nil, Query{}))
		}()
		within(t, arrived, "the upstream to be asked")
		exitsGracefully(t, p)
		within(t, done, "the query to end with the plugin")
	})
	t.Run("while a query computes", func(t *testing.T) {
		p := launch(t, Options{})
		idle := cpuTicks(t, p.PID())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = p.Query(patient(t), queryRequest(generator, nil, large(1, 100)))
		}()
		waitFor(t, Patience, "the query to compute", func() bool { return cpuTicks(t, p.PID()) >= idle+5 })
		exitsGracefully(t, p)
		within(t, done, "the query to end with the plugin")
	})
}

func TestSIGTERMEndsItCleanly(t *testing.T) {
	t.Run("as launched by Grafana", func(t *testing.T) {
		p := launch(t, Options{})
		p.healthy(t)
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 5*time.Second, "the plugin to end", p.Client.Exited)
		if code := p.ExitCode(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
	})
	t.Run("right after its handshake", func(t *testing.T) {
		// Several times over: a plugin that sets up its signals beside the handshake, not before it,
		// dies of the signal now and then.
		for range 20 {
			p := launchRaw(t, handshakeEnv())
			p.handshake(t)
			p.signal(t, syscall.SIGTERM)
			if code := p.exitCode(t, 5*time.Second); code != 0 {
				t.Fatalf("exit code %d, want 0 (-1 is death by a signal); stderr:\n%s", code, p.Stderr)
			}
		}
	})
}

func TestNoOrphanWhenTheHostIsKilled(t *testing.T) {
	for _, role := range []string{"idle", "busy"} {
		t.Run(role, func(t *testing.T) {
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			helper := exec.Command(self)
			path, err := PluginPath()
			if err != nil {
				t.Fatal(err)
			}
			helper.Env = []string{PluginEnv + "=" + path, helperEnv + "=" + role}
			helper.Stderr = os.Stderr
			out, err := helper.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := helper.Start(); err != nil {
				t.Fatal(err)
			}
			killed := false
			defer func() {
				if !killed {
					_ = helper.Process.Kill()
					_ = helper.Wait()
				}
			}()

			lines := make(chan string, 1)
			go func() {
				line, _ := bufio.NewReader(out).ReadString('\n')
				lines <- line
			}()
			var pid int
			select {
			case line := <-lines:
				if _, err := fmt.Sscanf(line, "pid %d", &pid); err != nil {
					t.Fatalf("the helper printed %q: %v", line, err)
				}
			case <-time.After(Patience):
				t.Fatal("the helper did not launch the plugin")
			}
			defer func() {
				if alive(pid) {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}()
			if !alive(pid) {
				t.Fatal("the plugin ended before its host did")
			}

			_ = helper.Process.Kill()
			_ = helper.Wait()
			killed = true
			waitFor(t, 10*time.Second, "the plugin to end after its host", func() bool { return !alive(pid) })
		})
	}
}

// TestSurvivesTheThreadThatStartedIt: a host written in Go starts the plugin from whichever of its
// threads comes along, and that thread may end long before the host. A plugin that asks the kernel
// for a signal on its parent's death gets it at the end of that thread.
func TestSurvivesTheThreadThatStartedIt(t *testing.T) {
	var p *Plugin
	var err error
	thread := make(chan int)
	var startFrom func()
	startFrom = func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this function
		if syscall.Gettid() == os.Getpid() {
			go startFrom() // the main thread never ends; while it is locked, another one runs this
			select {}
		}
		p, err = Launch(Options{})
		thread <- syscall.Gettid()
	}
	go startFrom()
	id := <-thread
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Client.Kill()
		showLog(t, p)
	})
	waitFor(t, Patience, "the thread to end", func() bool {
		_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", id))
		return os.IsNotExist(err)
	})
	// There is nothing to wait for that proves a plugin lives on; a second is ample for a signal.
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if p.Client.Exited() || !alive(p.PID()) {
			t.Fatal("the plugin ended with the thread that started it, while the host lives")
		}
	}
	p.healthy(t)
}

func TestRestartAfterACrash(t *testing.T) {
	first := launch(t, Options{})
	answer := first.frames(t, generator, Query{})
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, Patience, "go-plugin to notice", first.Client.Exited)
	if _, err := first.Query(patient(t), queryRequest(generator, nil, Query{})); err == nil {
		t.Error("a dead plugin answers")
	}

	second := launch(t, Options{})
	again := second.frames(t, generator, Query{})
	for _, name := range []string{"value", "score", "outlier"} {
		sameBits(t, name, answer.bits(t, name), again.bits(t, name), 96)
	}
}

func TestSeveralPluginsSideBySide(t *testing.T) {
	// Grafana restarts a plugin while the old one still ends, and images run several Grafanas.
	var all []*Plugin
	for range 4 {
		all = append(all, launch(t, Options{}))
	}
	for _, p := range all {
		p.healthy(t)
	}
}
