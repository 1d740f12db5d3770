package conformance

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// canaries are secrets that must appear nowhere but in requests to the upstream.
var canaries = map[string]string{
	"basicAuthPassword": "canary-basic-5f0c9a",
	"bearerToken":       "canary-bearer-8e21b7",
	"httpHeaderValue1":  "canary-header-3d77e4",
	"tlsCACert":         "canary-authority-61ab02",
	"tlsClientCert":     "canary-certificate-9c4f18",
	"tlsClientKey":      "canary-key-27d5c3",
	"unknownSecret":     "canary-unknown-b09e6d",
}

// leaks are the forms in which a secret could show.
func leaks() map[string]string {
	forms := map[string]string{
		"basic credentials in base64": base64.StdEncoding.EncodeToString([]byte("user:" + canaries["basicAuthPassword"])),
	}
	for name, canary := range inOrder(canaries) {
		forms[name] = canary
		forms[name+" in base64"] = strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(canary)), "=")
		forms[name+" as bytes"] = strings.Trim(strings.ReplaceAll(fmt.Sprint([]byte(canary)), " ", ", "), "[]")
	}
	return forms
}

// with picks secrets.
func with(settings Settings, names ...string) Settings {
	settings.Secrets = map[string]string{"unknownSecret": canaries["unknownSecret"]}
	for _, name := range names {
		settings.Secrets[name] = canaries[name]
	}
	return settings
}

func TestSecretsAppearNowhere(t *testing.T) {
	good := startUpstream(t, contract(always(daily), fiveMinutes))
	refusing := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }))
	garbled := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }))
	redirecting := startUpstream(t, http.RedirectHandler("/query?elsewhere", http.StatusFound))
	authority := newAuthority(t)
	secured := startTLS(t, authority.issue(t, time.Now().Add(time.Hour)), nil, contract(always(daily), fiveMinutes))
	closed := fmt.Sprintf("http://127.0.0.1:%d", freePort(t))

	all := []string{"basicAuthPassword", "bearerToken", "httpHeaderValue1", "tlsCACert", "tlsClientCert", "tlsClientKey"}
	header := JSON{"httpHeaderName1": "X-Tenant"}
	basic := func(settings Settings) Settings {
		settings.BasicAuth, settings.BasicAuthUser = true, "user"
		return settings
	}
	sources := map[string]Settings{
		"generator":                 with(generator, all...),
		"basic":                     basic(with(httpJSON(good.URL, header), "basicAuthPassword", "httpHeaderValue1")),
		"bearer":                    with(httpJSON(good.URL, header), "bearerToken", "httpHeaderValue1"),
		"basic and bearer":          basic(with(httpJSON(good.URL, header), "basicAuthPassword", "bearerToken")),
		"refused credentials":       basic(with(httpJSON(refusing.URL, header), "basicAuthPassword", "httpHeaderValue1")),
		"refused token":             with(httpJSON(refusing.URL), "bearerToken"),
		"garbled answer":            with(httpJSON(garbled.URL, header), "bearerToken", "httpHeaderValue1"),
		"redirect in a circle":      with(httpJSON(redirecting.URL, header), "bearerToken", "httpHeaderValue1"),
		"refused connection":        with(httpJSON(closed, header), all...),
		"unknown authority":         with(httpJSON(secured.URL, header), "bearerToken", "httpHeaderValue1"),
		"authority unreadable":      with(httpJSON(secured.URL, JSON{"tlsAuthWithCACert": true}), "tlsCACert"),
		"client key unreadable":     with(httpJSON(secured.URL, JSON{"tlsAuth": true}), "tlsClientCert", "tlsClientKey"),
		"header name unfit":         with(httpJSON(good.URL, JSON{"httpHeaderName1": "not a header\n"}), "httpHeaderValue1"),
		"jsonData cut short":        with(Settings{URL: good.URL, JSONData: `{"source":"http-json","timeout":`}, all...),
		"jsonData not an object":    with(Settings{URL: good.URL, JSONData: `"text"`}, all...),
		"jsonData of a wrong type":  with(Settings{URL: good.URL, JSONData: `{"source":"http-json","timeout":"soon"}`}, all...),
		"jsonData not UTF-8":        with(Settings{URL: good.URL, JSONData: "{\"source\":\"\xff\"}"}, all...),
		"unknown source":            with(Settings{URL: good.URL, JSONData: `{"source":"no-such"}`}, all...),
		"not a URL":                 with(httpJSON("not a url"), all...),
		"password in the URL":       with(httpJSON(strings.Replace(closed, "http://", "http://user:"+canaries["unknownSecret"]+"@", 1)), all...),
		"header value unfit to use": {URL: good.URL, JSONData: JSON{"source": "http-json", "httpHeaderName1": "X-Tenant"}.String(), Secrets: map[string]string{"httpHeaderValue1": canaries["httpHeaderValue1"] + "\r\nX: y"}},
		"token unfit to use":        {URL: good.URL, JSONData: JSON{"source": "http-json"}.String(), Secrets: map[string]string{"bearerToken": canaries["bearerToken"] + "\n"}},
	}

	p := launch(t, Options{Env: []string{"RUST_LOG=trace", "RUST_BACKTRACE=full"}})
	seen := map[string]string{}
	for name, settings := range inOrder(sources) {
		seen[name] = everything(t, p, settings)
	}
	if sent := good.lastAsked(t, "/query").Header; sent.Get("Authorization") == "" && sent.Get("X-Tenant") == "" {
		t.Errorf("the secrets were not used: the upstream was sent %v", sent)
	}
	p.Client.Kill()
	seen["stderr"] = p.Stderr.String()
	seen["go-plugin's log"] = p.Log.String()
	for place, text := range inOrder(seen) {
		for form, secret := range inOrder(leaks()) {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s: %s appears in …%s…", place, form, text[max(0, at-120):at+len(secret)])
			}
		}
	}
}

// everything is all that the plugin answers to a data source's calls.
func everything(t *testing.T, p *Plugin, settings Settings) string {
	t.Helper()
	var text strings.Builder
	result := p.health(t, settings)
	fmt.Fprintf(&text, "%s\n%s\n", result.Message, result.JSONDetails)

	responses := p.ask(t, settings, Query{}, Query{RefID: "B", JSON: `{`}, Query{RefID: "C", JSON: `{"source":{"kind":"no-such"}}`})
	for _, response := range responses {
		if response.Error != nil {
			fmt.Fprintln(&text, response.Error)
		}
		text.WriteString(Answer(response.Frames).text(t))
	}
	for _, path := range []string{"kinds", "no/such"} {
		answer := p.call(t, &pluginv2.CallResourceRequest{PluginContext: settings.context(), Method: http.MethodGet, Path: path, Url: path})
		fmt.Fprintf(&text, "%v %s\n", answer.Headers, answer.Body)
	}
	metrics, err := p.Diagnostics.CollectMetrics(patient(t), &pluginv2.CollectMetricsRequest{PluginContext: settings.context()})
	if err != nil {
		t.Fatalf("CollectMetrics: %v", err)
	}
	text.Write(metrics.GetMetrics().GetPrometheus())
	return text.String()
}

func TestMalformedSettingsAreAnErrorOfTheQueryNotOfTheRequest(t *testing.T) {
	for name, response := range host(t).ask(t, Settings{JSONData: `{"source":`}, Query{}, Query{RefID: "B"}) {
		refused(t, name, response)
		if response.Status == backend.StatusOK {
			t.Errorf("%s: status %d", name, response.Status)
		}
	}
}

func TestParametersWithSecretsInTheURLAreNotLogged(t *testing.T) {
	// A token in a parameter is not ours to hide from the query's author, but it is from the log
	// at its default level.
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	p := launch(t, Options{})
	token := url.Values{"token": {"canary-parameter-40be9d"}}
	params := []JSON{parameter("from", "${__from}"), parameter("to", "${__to}"), parameter("token", token.Get("token"))}
	p.frames(t, httpJSON(upstream.URL), query(JSON{"source": JSON{"kind": "http-json", "params": params}}, time.Hour))
	p.Client.Kill()
	if strings.Contains(p.Stderr.String(), token.Get("token")) {
		t.Errorf("a parameter's value is in the log:\n%s", p.Stderr.Tail(10))
	}
}
