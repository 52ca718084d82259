package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// callback is the redirect address of the browser; no server listens there.
const callback = "http://localhost:3000/callback"

// authorize lets the client get tokens in each way that the SDK supports.
func (s *scenario) authorize(set setting) error {
	config := &auth.AuthorizationCodeHandlerConfig{
		RedirectURL:                    callback,
		AuthorizationCodeFetcher:       consent,
		ClientIDMetadataDocumentConfig: &auth.ClientIDMetadataDocumentConfig{URL: "https://conformance-test.local/client-metadata.json"},
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{
			Metadata: &oauthex.ClientRegistrationMetadata{RedirectURIs: []string{callback}},
		},
	}
	if set.ClientSecret != "" {
		config.PreregisteredClient = set.credentials()
	}
	handler, err := auth.NewAuthorizationCodeHandler(config)
	s.server.OAuth = handler
	return err
}

// authorizeAlone lets the client get tokens for itself, without a person.
func (s *scenario) authorizeAlone(set setting) error {
	handler, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{Credentials: set.credentials()})
	s.server.OAuth = handler
	return err
}

func (set setting) credentials() *oauthex.ClientCredentials {
	return &oauthex.ClientCredentials{ClientID: set.ClientID, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: set.ClientSecret}}
}

// consent acts as a person with a browser: the suite's authorization server redirects
// at once.
func consent(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, args.URL, nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("nobody was sent back: %w", err)
	}
	q := back.Query()
	return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
}
