import {
  addHeader,
  bytesToMiB,
  hasSecret,
  headerNumbers,
  mibToBytes,
  removeHeader,
  renameHeader,
  resetSecret,
  setJson,
  setSecret,
} from './settings';
import { newSettings } from './testing/settings';

describe('setJson', () => {
  it('saves what differs from the default, beside what is there', () => {
    const settings = newSettings({ jsonData: { tlsAuth: true } });
    expect(setJson(settings, 'timeout', 5).jsonData).toEqual({ tlsAuth: true, timeout: 5 });
  });

  it('leaves a default out', () => {
    const settings = newSettings({ jsonData: { timeout: 5 } });
    expect(setJson(settings, 'timeout', 30).jsonData).toStrictEqual({});
  });
});

describe('secrets', () => {
  it('are set beside one another', () => {
    const settings = setSecret(setSecret(newSettings(), 'bearerToken', 't'), 'tlsCACert', 'pem');
    expect(settings.secureJsonData).toEqual({ bearerToken: 't', tlsCACert: 'pem' });
    expect(settings.jsonData).toEqual({});
  });

  it('are overwritten by a reset, since Grafana keeps what is absent', () => {
    const stored = newSettings({ secureJsonFields: { bearerToken: true, tlsCACert: true } });
    const settings = resetSecret(stored, 'bearerToken');
    expect(settings.secureJsonData).toEqual({ bearerToken: '' });
    expect(settings.secureJsonFields).toEqual({ bearerToken: false, tlsCACert: true });
  });

  it('are there when stored or typed, and gone after a reset', () => {
    expect(hasSecret(newSettings(), 'bearerToken')).toBe(false);
    expect(hasSecret(setSecret(newSettings(), 'bearerToken', 't'), 'bearerToken')).toBe(true);
    const stored = newSettings({ secureJsonFields: { bearerToken: true } });
    expect(hasSecret(stored, 'bearerToken')).toBe(true);
    expect(hasSecret(resetSecret(stored, 'bearerToken'), 'bearerToken')).toBe(false);
  });
});

describe('custom headers', () => {
  it('are numbered from 1, under the keys of Grafana', () => {
    const one = renameHeader(addHeader(newSettings()), 1, 'X-A');
    const two = renameHeader(addHeader(one), 2, 'X-B');
    expect(two.jsonData).toEqual({ httpHeaderName1: 'X-A', httpHeaderName2: 'X-B' });
    expect(headerNumbers(two)).toEqual([1, 2]);
  });

  it('are listed in the order of their numbers', () => {
    const jsonData = { httpHeaderName10: 'c', httpHeaderName2: 'b', httpHeaderName1: 'a', httpHeaderNames: 'x' };
    expect(headerNumbers(newSettings({ jsonData }))).toEqual([1, 2, 10]);
  });

  it('keep their numbers when another is removed, whose number is free again', () => {
    const three = newSettings({
      jsonData: { httpHeaderName1: 'a', httpHeaderName2: 'b', httpHeaderName3: 'c' },
      secureJsonFields: { httpHeaderValue1: true, httpHeaderValue2: true, httpHeaderValue3: true },
    });
    const two = removeHeader(three, 2);
    expect(two.jsonData).toEqual({ httpHeaderName1: 'a', httpHeaderName3: 'c' });
    expect(two.secureJsonData).toEqual({ httpHeaderValue2: '' });
    expect(two.secureJsonFields).toEqual({ httpHeaderValue1: true, httpHeaderValue2: false, httpHeaderValue3: true });
    expect(headerNumbers(addHeader(two))).toEqual([1, 2, 3]);
  });
});

describe('MiB', () => {
  it.each([
    [67_108_864, 64],
    [1_073_741_824, 1024],
    [1_572_864, 1.5],
  ])('%d bytes', (bytes, mib) => {
    expect(bytesToMiB(bytes)).toBe(mib);
    expect(mibToBytes(mib)).toBe(bytes);
  });

  it('has whole bytes', () => expect(mibToBytes(0.3333333)).toBe(349_525));
});
