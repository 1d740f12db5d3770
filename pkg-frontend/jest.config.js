/** Packages that are published as ES modules only and must be compiled for jest. */
const ES_MODULES = ['d3-\\w+', 'ol'];

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'jsdom',
  roots: ['<rootDir>/src'],
  setupFilesAfterEnv: ['<rootDir>/jest.setup.ts'],
  transform: {
    '^.+\\.m?[jt]sx?$': [
      '@swc/jest',
      {
        sourceMaps: 'inline',
        jsc: {
          parser: { syntax: 'typescript', tsx: true },
          target: 'es2022',
          transform: { react: { runtime: 'classic' } },
        },
      },
    ],
  },
  transformIgnorePatterns: [`node_modules/(?!(${ES_MODULES.join('|')})/)`],
  moduleNameMapper: {
    '\\.(css|scss)$': '<rootDir>/src/testing/empty.ts',
    'react-inlinesvg': '<rootDir>/src/testing/svg.tsx',
  },
  // Time enough on a busy machine; nothing here waits for the clock.
  testTimeout: 60_000,
  // Load @grafana/ui once a worker rather than a core each: it is most of the time of a run.
  maxWorkers: 2,
  reporters: ['default', '<rootDir>/jest.count.js'],
};
