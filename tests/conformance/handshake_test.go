package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

var (
	socketLine = regexp.MustCompile(`^1\|2\|unix\|(/[^|]+)\|grpc$`)
	portLine   = regexp.MustCompile(`^1\|2\|tcp\|127\.0\.0\.1:([0-9]+)\|grpc$`)
)

// listenTCP is what the operator sets to have the plugin listen on a port.
const listenTCP = "GF_PLUGIN_LISTEN_TCP=true"

// handshakeSocket is the path of the socket in a handshake line.
func handshakeSocket(t *testing.T, line string) string {
	t.Helper()
	match := socketLine.FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("handshake line %q, want 1|2|unix|PATH|grpc", line)
	}
	return match[1]
}

// handshakePort is the port in a handshake line.
func handshakePort(t *testing.T, line string) uint {
	t.Helper()
	match := portLine.FindStringSubmatch(line)
	if match == nil {
		t.Fatalf("handshake line %q, want 1|2|tcp|127.0.0.1:PORT|grpc", line)
	}
	port, err := strconv.ParseUint(match[1], 10, 16)
	if err != nil {
		t.Fatalf("handshake line %q: %v", line, err)
	}
	return uint(port)
}

// atSocket and atPort are what gRPC calls the places of a plugin.
func atSocket(path string) string { return "unix://" + path }
func atPort(port uint) string     { return fmt.Sprintf("passthrough:///127.0.0.1:%d", port) }

// work makes a plugin at a place answer, and fail, a few calls.
func work(t *testing.T, target string) {
	t.Helper()
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := pluginv2.NewDiagnosticsClient(connection).CheckHealth(patient(t), &pluginv2.CheckHealthRequest{PluginContext: generator.context()}); err != nil {
		t.Fatalf("CheckHealth: %v", err)
	}
	request := queryRequest(generator, nil, Query{}, Query{RefID: "B", JSON: `{"source":{"kind":"no-such"}}`}, Query{RefID: "C", JSON: `{`})
	if _, err := pluginv2.NewDataClient(connection).QueryData(patient(t), request); err != nil {
		t.Fatalf("QueryData: %v", err)
	}
}

func TestHandshakeIsTheOnlyLineOnStdout(t *testing.T) {
	p := launchRaw(t, append(handshakeEnv(), GrafanaEnv("RUST_LOG=trace")...))
	line := p.handshake(t)
	work(t, atSocket(handshakeSocket(t, line)))
	p.signal(t, syscall.SIGTERM)
	p.exitCode(t, Patience)
	if all := p.Stdout.String(); all != line+"\n" {
		t.Errorf("stdout is %q, want the handshake line alone", all)
	}
}

func TestHandshakePortIsWithinTheRangeGiven(t *testing.T) {
	first := freePort(t)
	if first > 65_000 {
		first = 65_000
	}
	bounds := []string{listenTCP, fmt.Sprintf("PLUGIN_MIN_PORT=%d", first), fmt.Sprintf("PLUGIN_MAX_PORT=%d", first+100)}
	port := handshakePort(t, launchRaw(t, handshakeEnv(bounds...)).handshake(t))
	if port < first || port > first+100 {
		t.Errorf("port %d, want one in %v", port, bounds)
	}
}

func TestHandshakePassesOverPortsThatAreTaken(t *testing.T) {
	// Two neighbouring ports, of which the test keeps the lower one.
	var taken net.Listener
	var first uint
	waitFor(t, Patience, "two neighbouring free ports", func() bool {
		first = freePort(t)
		above, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+1))
		if err != nil {
			return false
		}
		above.Close()
		taken, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first))
		return err == nil
	})
	defer taken.Close()
	env := handshakeEnv(listenTCP, fmt.Sprintf("PLUGIN_MIN_PORT=%d", first), fmt.Sprintf("PLUGIN_MAX_PORT=%d", first+1))
	if port := handshakePort(t, launchRaw(t, env).handshake(t)); port != first+1 {
		t.Errorf("port %d, want %d, the only free one in the range", port, first+1)
	}
}

func TestHandshakeWithoutAPortRange(t *testing.T) {
	work(t, atPort(handshakePort(t, launchRaw(t, handshakeEnv(listenTCP)).handshake(t))))
}

// TestListensOnNoPort: whoever reaches the plugin reads with its rights, and a port has no owner.
func TestListensOnNoPort(t *testing.T) {
	p := launch(t, Options{})
	p.healthy(t)
	inodes := map[string]bool{}
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, descriptor := range descriptors {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", p.PID(), descriptor.Name()))
		if inode, isSocket := strings.CutPrefix(target, "socket:["); isSocket {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		lines, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", p.PID(), table))
		if err != nil {
			continue // a kernel without IPv6
		}
		const inode = 9
		for line := range strings.Lines(string(lines)) {
			if fields := strings.Fields(line); len(fields) > inode && inodes[fields[inode]] {
				t.Errorf("the plugin has a socket in %s: %s", table, line)
			}
		}
	}
}

// socketGuards fails unless nobody but the owner reaches the socket.
func socketGuards(t *testing.T, socket string) {
	t.Helper()
	for path, want := range map[string]os.FileMode{socket: 0o600, filepath.Dir(socket): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}
}

func TestSocketIsItsOwnersAlone(t *testing.T) {
	socketGuards(t, handshakeSocket(t, launchRaw(t, handshakeEnv()).handshake(t)))
}

func TestSocketDirectoryOfTheHostIsTaken(t *testing.T) {
	folder := t.TempDir()
	line := launchRaw(t, handshakeEnv(goplugin.EnvUnixSocketDir+"="+folder)).handshake(t)
	socket := handshakeSocket(t, line)
	if !strings.HasPrefix(socket, folder+"/") {
		t.Errorf("socket %s, want one in %s", socket, folder)
	}
	socketGuards(t, socket)
	work(t, atSocket(socket))
}

func TestSocketGroupOfTheHostIsLetIn(t *testing.T) {
	group := strconv.Itoa(os.Getgid())
	socket := handshakeSocket(t, launchRaw(t, handshakeEnv(goplugin.EnvUnixSocketGroup+"="+group)).handshake(t))
	for path, want := range map[string]os.FileMode{socket: 0o660, filepath.Dir(socket): 0o710} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if gid := info.Sys().(*syscall.Stat_t).Gid; info.Mode().Perm() != want || strconv.Itoa(int(gid)) != group {
			t.Errorf("%s has mode %o and group %d, want %o and %s", path, info.Mode().Perm(), gid, want, group)
		}
	}
}

// TestSocketIsGoneAfterwards: at the end of the process, and where it had none, at the next start.
func TestSocketIsGoneAfterwards(t *testing.T) {
	gone := func(path string) bool {
		_, err := os.Lstat(filepath.Dir(path))
		return os.IsNotExist(err)
	}
	folder := t.TempDir()
	env := handshakeEnv(goplugin.EnvUnixSocketDir + "=" + folder)
	t.Run("after SIGTERM", func(t *testing.T) {
		p := launchRaw(t, env)
		socket := handshakeSocket(t, p.handshake(t))
		p.signal(t, syscall.SIGTERM)
		p.exitCode(t, Patience)
		if !gone(socket) {
			t.Errorf("%s is left", socket)
		}
	})
	t.Run("when the host ends it", func(t *testing.T) {
		own := t.TempDir()
		p := launch(t, Options{Env: []string{goplugin.EnvUnixSocketDir + "=" + own}})
		p.healthy(t)
		p.Client.Kill()
		if entries, _ := os.ReadDir(own); len(entries) != 0 {
			t.Errorf("%v is left", entries)
		}
	})
	t.Run("at the next start after SIGKILL", func(t *testing.T) {
		alive, dead := launchRaw(t, env), launchRaw(t, env)
		living, left := handshakeSocket(t, alive.handshake(t)), handshakeSocket(t, dead.handshake(t))
		dead.signal(t, syscall.SIGKILL)
		dead.exitCode(t, Patience)
		if gone(left) {
			t.Fatal("a killed process cleared up after itself: nothing to test")
		}
		next := handshakeSocket(t, launchRaw(t, env).handshake(t))
		if !gone(left) && next != left {
			t.Errorf("%s is left", left)
		}
		work(t, atSocket(living))
		work(t, atSocket(next))
		if entries, _ := os.ReadDir(folder); len(entries) != 2 {
			t.Errorf("%v, want the two folders of the plugins that live", entries)
		}
	})
}

// TestAnotherUserCannotConnect reads nothing but the refusal. Only root can become another user.
func TestAnotherUserCannotConnect(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	socket := handshakeSocket(t, launchRaw(t, handshakeEnv()).handshake(t))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path, err := PluginPath()
	if err != nil {
		t.Fatal(err)
	}
	// From a folder that the other user can run it in.
	folder, err := os.MkdirTemp("", "stranger")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	stranger := filepath.Join(folder, "stranger")
	if err := os.WriteFile(stranger, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	for who, credential := range map[string]*syscall.Credential{
		"the owner":  nil,
		"a stranger": {Uid: 65534, Gid: 65534},
	} {
		command := exec.Command(stranger)
		command.Dir = "/"
		command.Env = []string{PluginEnv + "=" + path, helperEnv + "=connect", "SOCKET=" + socket}
		command.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
		said, _ := command.CombinedOutput()
		want := "connected"
		if credential != nil {
			want = "permission denied"
		}
		if !strings.Contains(string(said), want) {
			t.Errorf("%s is told %q, want %q", who, said, want)
		}
	}
}

func TestPortIsOfTheLoopbackInterfaceOnly(t *testing.T) {
	p := launchRaw(t, handshakeEnv(listenTCP))
	port := handshakePort(t, p.handshake(t))
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		network, isIP := address.(*net.IPNet)
		if !isIP || network.IP.IsLoopback() || network.IP.IsLinkLocalUnicast() {
			continue
		}
		target := net.JoinHostPort(network.IP.String(), strconv.FormatUint(uint64(port), 10))
		if connection, err := net.DialTimeout("tcp", target, time.Second); err == nil {
			connection.Close()
			t.Errorf("the plugin can be reached at %s", target)
		}
	}
}

func TestStderrIsLogLinesThatGoPluginReads(t *testing.T) {
	for _, level := range []string{"info", "debug", "trace"} {
		t.Run(level, func(t *testing.T) {
			p := launchRaw(t, append(handshakeEnv(), GrafanaEnv("RUST_LOG="+level)...))
			work(t, atSocket(handshakeSocket(t, p.handshake(t))))
			p.signal(t, syscall.SIGTERM)
			p.exitCode(t, Patience)
			lines := strings.Split(strings.TrimSuffix(p.Stderr.String(), "\n"), "\n")
			if lines[0] == "" {
				t.Fatal("nothing was logged, although queries failed")
			}
			for _, line := range lines {
				checkLogLine(t, line)
			}
		})
	}
}

// checkLogLine checks what go-plugin wants of a line to forward it at its own level.
func checkLogLine(t *testing.T, line string) {
	t.Helper()
	var entry map[string]any
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		t.Errorf("a line on stderr is not a JSON object (%v): %s", err, line)
		return
	}
	level, _ := entry["@level"].(string)
	if !slices.Contains([]string{"trace", "debug", "info", "warn", "error"}, strings.ToLower(level)) {
		t.Errorf("@level is %v, want trace, debug, info, warn or error: %s", entry["@level"], line)
	}
	if _, isText := entry["@message"].(string); !isText {
		t.Errorf("@message is %v, want a string: %s", entry["@message"], line)
	}
	timestamp, _ := entry["@timestamp"].(string)
	if _, err := time.Parse("2006-01-02T15:04:05.000000Z07:00", timestamp); err != nil {
		t.Errorf("@timestamp is not of the form that go-plugin reads, six decimals and a zone: %s", line)
	}
	// go-plugin hands a line over in pieces, unread, when it is longer than its buffer.
	if len(line) > 64*1024 {
		t.Errorf("a line of %d bytes, want at most 64 KiB: %.200s…", len(line), line)
	}
}

func TestRunByHandItExplainsItself(t *testing.T) {
	for name, env := range inOrder(map[string][]string{
		"without a cookie":    nil,
		"with a wrong cookie": {"grafana_plugin_type=panel", "PLUGIN_PROTOCOL_VERSIONS=2"},
	}) {
		t.Run(name, func(t *testing.T) {
			p := launchRaw(t, env)
			if code := p.exitCode(t, Patience); code <= 0 {
				t.Errorf("exit code %d, want a positive one", code)
			}
			if out := p.Stdout.String(); out != "" {
				t.Errorf("stdout is %q, want nothing", out)
			}
			message := strings.ToLower(p.Stderr.String())
			mentions(t, message, "grafana", "plugin")
			if strings.Contains(message, "panicked") {
				t.Errorf("it panics: %s", message)
			}
		})
	}
}

func TestGoPluginPing(t *testing.T) {
	if err := host(t).Protocol.Ping(); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

// TestOptionalServices calls what Grafana may call of any plugin. A plugin may leave these out.
func TestOptionalServices(t *testing.T) {
	p := host(t)
	pluginContext := generator.context()
	calls := map[string]func(context.Context) error{
		"SubscribeStream": func(ctx context.Context) error {
			_, err := p.Stream.SubscribeStream(ctx, &pluginv2.SubscribeStreamRequest{PluginContext: pluginContext, Path: "x"})
			return err
		},
		"PublishStream": func(ctx context.Context) error {
			_, err := p.Stream.PublishStream(ctx, &pluginv2.PublishStreamRequest{PluginContext: pluginContext, Path: "x"})
			return err
		},
		"RunStream": func(ctx context.Context) error {
			stream, err := p.Stream.RunStream(ctx, &pluginv2.RunStreamRequest{PluginContext: pluginContext, Path: "x"})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"ValidateAdmission": func(ctx context.Context) error {
			_, err := p.Admission.ValidateAdmission(ctx, &pluginv2.AdmissionRequest{PluginContext: pluginContext})
			return err
		},
		"MutateAdmission": func(ctx context.Context) error {
			_, err := p.Admission.MutateAdmission(ctx, &pluginv2.AdmissionRequest{PluginContext: pluginContext})
			return err
		},
		"ConvertObjects": func(ctx context.Context) error {
			_, err := p.Conversion.ConvertObjects(ctx, &pluginv2.ConversionRequest{PluginContext: pluginContext})
			return err
		},
		"QueryChunkedData": func(ctx context.Context) error {
			stream, err := p.Data.QueryChunkedData(ctx, &pluginv2.QueryChunkedDataRequest{PluginContext: pluginContext, Queries: []*pluginv2.DataQuery{Query{}.proto()}})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
	}
	for name, call := range inOrder(calls) {
		t.Run(name, func(t *testing.T) {
			switch code := status.Code(call(patient(t))); code {
			case codes.OK, codes.Unimplemented, codes.NotFound, codes.PermissionDenied, codes.InvalidArgument:
			default:
				t.Errorf("answered with %v, want Unimplemented, or an answer", code)
			}
			p.healthy(t)
		})
	}
}
