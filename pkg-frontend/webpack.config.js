/**
 * Bundles `src/module.ts` to `module.js` as Grafana loads it: an AMD module whose shared dependencies are Grafana's.
 * Only module.js and module.js.map are written; the rest of the plugin folder belongs to the build of the whole.
 */
const path = require('node:path');

/** The modules that Grafana lends to plugins. */
const SHARED = [
  '@emotion/css',
  '@grafana/data',
  '@grafana/runtime',
  '@grafana/ui',
  'lodash',
  'react',
  'react-dom',
  'rxjs',
];

const typescript = {
  test: /\.tsx?$/,
  exclude: /node_modules/,
  use: {
    loader: 'swc-loader',
    options: {
      jsc: {
        target: 'es2021',
        parser: { syntax: 'typescript', tsx: true },
        // The classic runtime: react/jsx-runtime is not shared by every version of Grafana.
        transform: { react: { runtime: 'classic' } },
      },
    },
  },
};

/** @returns {import('webpack').Configuration} */
function plugin(_env, { mode } = {}) {
  return {
    context: __dirname,
    entry: { module: './src/module.ts' },
    mode: mode ?? 'production',
    devtool: 'source-map',
    externals: SHARED,
    module: { rules: [typescript] },
    resolve: { extensions: ['.ts', '.tsx', '.js'] },
    output: {
      path: path.resolve(__dirname, process.env.OUTRIDER_DIST ?? '../dist'),
      filename: '[name].js',
      library: { type: 'amd' },
      clean: false,
      uniqueName: 'outrider-outliers-datasource',
    },
    performance: { maxAssetSize: 200_000, maxEntrypointSize: 200_000 },
    stats: 'errors-warnings',
  };
}

module.exports = plugin;
module.exports.SHARED = SHARED;
module.exports.typescript = typescript;
