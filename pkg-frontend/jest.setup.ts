import '@testing-library/jest-dom';
import { TextDecoder, TextEncoder } from 'node:util';

/** What browsers have and jsdom has not, and Grafana's packages ask for when they load. */
Object.assign(globalThis, {
  TextDecoder,
  TextEncoder,
  matchMedia: () => ({
    matches: false,
    addListener: () => undefined,
    removeListener: () => undefined,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }),
  ResizeObserver: class {
    observe() {}
    unobserve() {}
    disconnect() {}
  },
  IntersectionObserver: class {
    observe() {}
    unobserve() {}
    disconnect() {}
  },
});

/** React and Grafana report misuse on the console: unknown props, missing keys, updates nobody waited for. */
const errors: unknown[][] = [];
beforeEach(() => {
  errors.length = 0;
  jest.spyOn(console, 'error').mockImplementation((...args) => errors.push(args));
});
afterEach(() => {
  expect(errors).toEqual([]);
});
