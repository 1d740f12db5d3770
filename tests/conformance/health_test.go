package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// ailing checks that a health answer is an error of one of the categories, with details.
func ailing(t *testing.T, result *backend.CheckHealthResult, categories ...string) {
	t.Helper()
	if result.Status != backend.HealthStatusError {
		t.Fatalf("status %v %q, want an error", result.Status, result.Message)
	}
	category, _, found := strings.Cut(strings.TrimPrefix(result.Message, "["), "] ")
	if !found || !strings.HasPrefix(result.Message, "[") {
		t.Fatalf("message %q, want it to begin with [category]", result.Message)
	}
	known := false
	for _, each := range categories {
		known = known || each == category
	}
	if !known {
		t.Errorf("category %q, want %q; message %q", category, categories, result.Message)
	}
	var details struct {
		VerboseMessage string
		Category       string
		LatencyMs      *float64
	}
	if err := json.Unmarshal(result.JSONDetails, &details); err != nil {
		t.Fatalf("json_details %q: %v", result.JSONDetails, err)
	}
	if details.VerboseMessage == "" {
		t.Errorf("json_details has no verboseMessage: %s", result.JSONDetails)
	}
	if details.Category != category {
		t.Errorf("json_details has the category %q, the message %q", details.Category, category)
	}
	if details.LatencyMs == nil || *details.LatencyMs < 0 {
		t.Errorf("json_details has no latencyMs: %s", result.JSONDetails)
	}
}

// well checks that a health answer is OK, and what it says.
func well(t *testing.T, result *backend.CheckHealthResult, wanted ...string) {
	t.Helper()
	if result.Status != backend.HealthStatusOk {
		t.Fatalf("status %v %q, want OK", result.Status, result.Message)
	}
	mentions(t, result.Message, wanted...)
	if len(result.JSONDetails) > 0 {
		var details map[string]any
		if err := json.Unmarshal(result.JSONDetails, &details); err != nil {
			t.Errorf("json_details %q: %v", result.JSONDetails, err)
		}
	}
}

func TestHealthOfTheGenerator(t *testing.T) {
	well(t, host(t).health(t, generator), "Generator")
}

func TestHealthOfAServer(t *testing.T) {
	upstream := startUpstream(t, contract(always(daily), 5*time.Minute))
	result := host(t).health(t, httpJSON(upstream.URL))
	well(t, result, upstream.URL, greeting)
	if strings.Contains(result.Message, "second line") {
		t.Errorf("message %q, want the first line of the answer only", result.Message)
	}
}

func TestHealthPathIsBelowTheURL(t *testing.T) {
	for name, path := range inOrder(map[string]string{"plain": "/healthz", "without a slash": "healthz"}) {
		t.Run(name, func(t *testing.T) {
			upstream := startUpstream(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			well(t, host(t).health(t, httpJSON(upstream.URL+"/base", JSON{"healthPath": path})))
			for _, asked := range upstream.asked() {
				if asked.Method != http.MethodGet || asked.Path != "/base/healthz" {
					t.Errorf("asked for %s %s, want GET /base/healthz", asked.Method, asked.Path)
				}
			}
		})
	}
}

func TestHealthOfAnUnreachableServer(t *testing.T) {
	for name, url := range inOrder(map[string]string{
		"refused":      fmt.Sprintf("http://127.0.0.1:%d", freePort(t)),
		"unresolvable": "http://outrider-conformance.invalid",
	}) {
		t.Run(name, func(t *testing.T) {
			ailing(t, host(t).health(t, httpJSON(url, JSON{"timeout": 10})), "connection")
		})
	}
}

func TestHealthOfAServerThatAnswersTooLate(t *testing.T) {
	upstream, _, _ := startSilent(t)
	ailing(t, host(t).health(t, httpJSON(upstream.URL, JSON{"timeout": 1})), "connection", "timeout")
}

func TestHealthOfAServerThatRefusesTheCredentials(t *testing.T) {
	for _, code := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			upstream := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "go away", code)
			}))
			result := host(t).health(t, httpJSON(upstream.URL))
			ailing(t, result, "auth")
			mentions(t, result.Message, fmt.Sprint(code))
		})
	}
}

func TestHealthOfAServerThatFails(t *testing.T) {
	for _, code := range []int{http.StatusNotFound, http.StatusInternalServerError, http.StatusBadGateway} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			upstream := startUpstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "broken", code)
			}))
			result := host(t).health(t, httpJSON(upstream.URL))
			ailing(t, result, "protocol", "connection", "config")
			mentions(t, result.Message, fmt.Sprint(code))
		})
	}
}

func TestHealthOverTLS(t *testing.T) {
	var (
		ours     = newAuthority(t)
		strange  = newAuthority(t)
		serving  = ours.issue(t, time.Now().Add(time.Hour))
		expired  = ours.issue(t, time.Now().Add(-24*time.Hour))
		client   = ours.issue(t, time.Now().Add(time.Hour))
		answers  = contract(always(daily), 5*time.Minute)
		trusting = JSON{"tlsAuthWithCACert": true}
	)
	upstream := startTLS(t, serving, nil, answers)
	outdated := startTLS(t, expired, nil, answers)
	choosy := startTLS(t, serving, ours, answers)
	plain := startUpstream(t, answers)

	tests := []struct {
		name     string
		url      string
		options  JSON
		secrets  map[string]string
		category []string // of the error; nil stands for OK
	}{
		{name: "unknown authority", url: upstream.URL, category: []string{"tls"}},
		{name: "unknown authority, not verified", url: upstream.URL, options: JSON{"tlsSkipVerify": true}},
		{name: "given authority", url: upstream.URL, options: trusting, secrets: map[string]string{"tlsCACert": ours.PEM}},
		{name: "given authority, switched off", url: upstream.URL, secrets: map[string]string{"tlsCACert": ours.PEM}, category: []string{"tls"}},
		{name: "another authority", url: upstream.URL, options: trusting, secrets: map[string]string{"tlsCACert": strange.PEM}, category: []string{"tls"}},
		{name: "authority that is no certificate", url: upstream.URL, options: trusting, secrets: map[string]string{"tlsCACert": "no certificate"}, category: []string{"config", "tls"}},
		{name: "expired certificate", url: outdated.URL, options: trusting, secrets: map[string]string{"tlsCACert": ours.PEM}, category: []string{"tls"}},
		{name: "TLS to a server without", url: strings.Replace(plain.URL, "http:", "https:", 1), category: []string{"tls", "connection"}},
		{
			name: "client certificate", url: choosy.URL, options: JSON{"tlsAuthWithCACert": true, "tlsAuth": true},
			secrets: map[string]string{"tlsCACert": ours.PEM, "tlsClientCert": client.Certificate, "tlsClientKey": client.Key},
		},
		{
			name: "client certificate missing", url: choosy.URL, options: trusting,
			secrets: map[string]string{"tlsCACert": ours.PEM}, category: []string{"tls", "connection", "auth"},
		},
		{
			name: "client key that is no key", url: choosy.URL, options: JSON{"tlsAuthWithCACert": true, "tlsAuth": true},
			secrets:  map[string]string{"tlsCACert": ours.PEM, "tlsClientCert": client.Certificate, "tlsClientKey": "no key"},
			category: []string{"config", "tls"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			settings := httpJSON(test.url, test.options)
			settings.Secrets = test.secrets
			result := host(t).health(t, settings)
			if test.category == nil {
				well(t, result, greeting)
			} else {
				ailing(t, result, test.category...)
			}
		})
	}
}

func TestHealthOfSettingsThatCannotBe(t *testing.T) {
	tests := map[string]struct {
		settings Settings
		mentions []string
	}{
		"jsonData is not JSON":       {Settings{JSONData: `{"source":"http-json"`}, nil},
		"jsonData is not an object":  {Settings{JSONData: `[1,2]`}, nil},
		"unknown source":             {Settings{JSONData: `{"source":"no-such"}`}, []string{"no-such", "generator", "http-json"}},
		"no URL":                     {httpJSON(""), []string{"URL"}},
		"not a URL":                  {httpJSON("not a url"), nil},
		"not an HTTP URL":            {httpJSON("file:///etc/passwd"), nil},
		"timeout too small":          {Settings{JSONData: `{"timeout":0}`}, []string{"timeout"}},
		"timeout too large":          {Settings{JSONData: `{"timeout":601}`}, []string{"timeout"}},
		"maxResponseBytes too small": {Settings{JSONData: `{"maxResponseBytes":1023}`}, []string{"maxResponseBytes"}},
		"maxResponseBytes too large": {Settings{JSONData: `{"maxResponseBytes":1073741825}`}, []string{"maxResponseBytes"}},
	}
	for name, test := range inOrder(tests) {
		t.Run(name, func(t *testing.T) {
			result := host(t).health(t, test.settings)
			ailing(t, result, "config")
			mentions(t, result.Message, test.mentions...)
		})
	}
}

func TestUnknownSettingsAreTolerated(t *testing.T) {
	settings := Settings{JSONData: `{"source":"generator","oauthPassThru":true,"keepCookies":["a"],"alertmanagerUid":"x","pdcInjected":false}`}
	well(t, host(t).health(t, settings), "Generator")
}
