import { screen, within } from '@testing-library/react';

import { selectors } from './selectors';
import { focus, mountConfig } from './testing/harness';
import { newSettings } from './testing/settings';

const ids = selectors.config;
const httpJson = { source: 'http-json' } as const;

const field = (testId: string) => within(screen.getByTestId(testId));

describe('the upstream', () => {
  it('is the generator where nothing is saved, and needs no more', () => {
    mountConfig(newSettings());
    expect(field(ids.source).getByText('Generator')).toBeInTheDocument();
    expect(screen.getByText(/needs no network/)).toBeInTheDocument();
    expect(screen.queryByLabelText('URL')).not.toBeInTheDocument();
  });

  it('is chosen with the keyboard and saved', async () => {
    const { user, last } = mountConfig(newSettings());
    focus('Upstream');
    await user.keyboard('{ArrowDown}{ArrowDown}{Enter}');
    expect(last()?.jsonData).toEqual({ source: 'http-json' });
    expect(screen.getByLabelText('URL')).toBeInTheDocument();
  });

  it('leaves no trace in the settings when it is the default again', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson }));
    focus('Upstream');
    await user.keyboard('{ArrowDown}{ArrowUp}{Enter}');
    expect(last()?.jsonData).toStrictEqual({});
  });

  it('is named where this version does not know it', () => {
    mountConfig(newSettings({ jsonData: { source: 'carrier-pigeon' as 'generator' } }));
    expect(screen.getByText('Unknown upstream "carrier-pigeon"')).toBeInTheDocument();
  });

  it('is there for a provisioned data source without jsonData', () => {
    mountConfig(newSettings({ jsonData: undefined as never }));
    expect(field(ids.source).getByText('Generator')).toBeInTheDocument();
  });
});

describe('the connection of http-json', () => {
  it('renders the defaults', () => {
    mountConfig(newSettings({ jsonData: httpJson }));
    expect(screen.getByLabelText('Timeout (s)')).toHaveValue(30);
    expect(screen.getByLabelText('Largest answer (MiB)')).toHaveValue(64);
    expect(screen.getByLabelText('Health path')).toHaveValue('/');
    expect(screen.getByLabelText('Skip verification')).not.toBeChecked();
  });

  it('saves a URL when the field is left, not on each key', async () => {
    const { user, saved, last } = mountConfig(newSettings({ jsonData: httpJson }));
    await user.type(screen.getByLabelText('URL'), 'http://localhost:9000');
    expect(saved).toHaveLength(0);
    await user.tab();
    expect(saved).toHaveLength(1);
    expect(last()?.url).toBe('http://localhost:9000');
  });

  it('narrows what queries may ask', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson, url: 'http://localhost' }));
    await user.click(screen.getByLabelText('Allow POST'));
    expect(last()?.jsonData).toEqual({ ...httpJson, allowPost: true });
    await user.type(screen.getByLabelText('Allowed paths'), '/api/v1\napi');
    await user.tab();
    expect(screen.getByRole('alert')).toHaveTextContent('"api" is not a path');
    await user.clear(screen.getByLabelText('Allowed paths'));
    await user.type(screen.getByLabelText('Allowed paths'), '/api/v1\n/x y\n');
    await user.tab();
    expect(last()?.jsonData).toEqual({ ...httpJson, allowPost: true, allowedPaths: ['/api/v1', '/x y'] });
  });

  it('says what is wrong with a URL', async () => {
    const { user } = mountConfig(newSettings({ jsonData: httpJson, url: 'http://localhost' }));
    await user.clear(screen.getByLabelText('URL'));
    await user.tab();
    expect(field(ids.url).getByRole('alert')).toHaveTextContent(/The URL is missing/);
  });

  it('stores MiB as bytes, and the default not at all', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson }));
    const size = screen.getByLabelText('Largest answer (MiB)');
    await user.clear(size);
    await user.type(size, '1.5{Enter}');
    expect(last()?.jsonData).toEqual({ ...httpJson, maxResponseBytes: 1_572_864 });
    await user.clear(size);
    await user.tab();
    expect(last()?.jsonData).toStrictEqual(httpJson);
    expect(size).toHaveValue(64);
  });

  it('says for how long the newest points are left out', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson }));
    const settle = screen.getByLabelText('Settle');
    await user.clear(settle);
    await user.type(settle, '1m{Enter}');
    expect(last()?.jsonData).toEqual({ ...httpJson, settle: '1m' });
    await user.clear(settle);
    await user.tab();
    expect(last()?.jsonData).toStrictEqual(httpJson);
  });

  it('refuses a path that leaves the URL', async () => {
    const { user } = mountConfig(newSettings({ jsonData: httpJson, url: 'http://localhost' }));
    const path = screen.getByLabelText('Health path');
    await user.clear(path);
    await user.type(path, '/../admin');
    await user.tab();
    expect(field(ids.healthPath).getByRole('alert')).toHaveTextContent(/climbs out/);
  });

  it('can only be read where it is provisioned', () => {
    mountConfig(newSettings({ jsonData: httpJson, readOnly: true }));
    expect(screen.getByLabelText('URL')).toBeDisabled();
    expect(screen.getByLabelText('Upstream')).toBeDisabled();
    expect(screen.getByLabelText('Bearer token')).toBeDisabled();
  });
});

describe('authentication', () => {
  it('is saved where Grafana has it', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson }));
    await user.click(screen.getByLabelText('Basic authentication'));
    await user.type(screen.getByLabelText('User'), 'me');
    await user.type(screen.getByLabelText('Password'), 'secret');
    await user.tab();
    expect(last()).toMatchObject({
      basicAuth: true,
      basicAuthUser: 'me',
      jsonData: httpJson,
      secureJsonData: { basicAuthPassword: 'secret' },
    });
  });

  it('shows a stored token only as configured, and can reset it', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson, secureJsonFields: { bearerToken: true } }));
    expect(screen.getByLabelText('Bearer token')).toHaveValue('configured');
    await user.click(field(ids.bearerToken).getByRole('button', { name: 'Reset' }));
    expect(last()?.secureJsonFields).toEqual({ bearerToken: false });
    expect(last()?.secureJsonData).toEqual({ bearerToken: '' });
    await user.type(screen.getByLabelText('Bearer token'), 'new{Enter}');
    expect(last()?.secureJsonData).toEqual({ bearerToken: 'new' });
  });

  it('warns of two kinds at once', () => {
    mountConfig(newSettings({ jsonData: httpJson, basicAuth: true, secureJsonFields: { bearerToken: true } }));
    expect(field(ids.bearerToken).getByRole('alert')).toHaveTextContent(/both fill the Authorization header/);
  });
});

describe('the data sources of Grafana that may be asked', () => {
  const grafana = { source: 'grafana' } as const;

  it('are all by default, and the field says what that means', () => {
    mountConfig(newSettings({ jsonData: grafana }));
    expect(screen.getByLabelText('Allowed data sources')).toHaveValue('');
    expect(screen.getByLabelText('Allowed data sources')).toHaveAttribute('placeholder', 'all');
  });

  it('are saved as a list, and not at all where none is left', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: grafana }));
    const allowed = screen.getByLabelText('Allowed data sources');
    await user.type(allowed, 'prom, loki\nmysql-1');
    await user.tab();
    expect(last()?.jsonData).toEqual({ ...grafana, allowedUids: ['prom', 'loki', 'mysql-1'] });
    await user.clear(allowed);
    await user.tab();
    expect(last()?.jsonData).toStrictEqual(grafana);
  });
});

describe('TLS', () => {
  it('asks for certificates once they are wanted, and keeps them secret', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson }));
    expect(screen.queryByLabelText('CA certificate')).not.toBeInTheDocument();
    await user.click(screen.getByLabelText('Own CA certificate'));
    await user.click(screen.getByLabelText('Client certificate'));
    await user.click(screen.getByLabelText('CA certificate'));
    await user.paste('ca pem');
    await user.click(screen.getByLabelText('Certificate'));
    await user.paste('cert pem');
    await user.click(screen.getByLabelText('Private key'));
    await user.paste('key pem');
    await user.tab();
    expect(last()?.jsonData).toEqual({ ...httpJson, tlsAuthWithCACert: true, tlsAuth: true });
    expect(last()?.secureJsonData).toEqual({
      tlsCACert: 'ca pem',
      tlsClientCert: 'cert pem',
      tlsClientKey: 'key pem',
    });
  });

  it('can be left unverified, and leaves no trace when it is verified again', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson }));
    await user.click(screen.getByLabelText('Skip verification'));
    expect(last()?.jsonData).toEqual({ ...httpJson, tlsSkipVerify: true });
    await user.click(screen.getByLabelText('Skip verification'));
    expect(last()?.jsonData).toStrictEqual(httpJson);
  });
});

describe('custom headers', () => {
  it('are added with a name in the clear and a secret value', async () => {
    const { user, last } = mountConfig(newSettings({ jsonData: httpJson }));
    await user.click(screen.getByTestId(ids.addHeader));
    await user.type(screen.getByLabelText('Header'), 'X-Api-Key');
    await user.type(screen.getByLabelText('Value'), 'k3y');
    await user.tab();
    expect(last()?.jsonData).toEqual({ ...httpJson, httpHeaderName1: 'X-Api-Key' });
    expect(last()?.secureJsonData).toEqual({ httpHeaderValue1: 'k3y' });
  });

  it('are removed with their value', async () => {
    const { user, last } = mountConfig(
      newSettings({
        jsonData: { ...httpJson, httpHeaderName1: 'X-A', httpHeaderName2: 'X-B' },
        secureJsonFields: { httpHeaderValue1: true, httpHeaderValue2: true },
      }),
    );
    await user.click(screen.getByRole('button', { name: 'Remove header 1' }));
    expect(last()?.jsonData).toEqual({ ...httpJson, httpHeaderName2: 'X-B' });
    expect(last()?.secureJsonData).toEqual({ httpHeaderValue1: '' });
    expect(screen.getByLabelText('Header')).toHaveValue('X-B');
  });
});
