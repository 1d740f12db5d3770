/** Bundles the host page, with Grafana's packages in it, as Grafana itself does. */
const path = require('node:path');

const { typescript } = require('../webpack.config.js');

/** @type {import('webpack').Configuration} */
module.exports = {
  context: __dirname,
  entry: { host: './host.tsx' },
  // Development: the host is several megabytes, and nobody downloads it.
  mode: 'development',
  devtool: false,
  cache: { type: 'filesystem', cacheDirectory: path.resolve(__dirname, '../.browser/cache') },
  output: { path: path.resolve(__dirname, '../.browser'), filename: '[name].js' },
  module: {
    rules: [
      typescript,
      { test: /\.css$/, type: 'asset/source' },
      // Grafana's ES modules import CommonJS files, without their extension and as bundlers used to.
      { test: /\.mjs$/, type: 'javascript/auto', resolve: { fullySpecified: false } },
    ],
  },
  // The code editor is half of the bundle and is not used here.
  resolve: { extensions: ['.ts', '.tsx', '.mjs', '.js'], alias: { 'monaco-editor': false } },
  performance: false,
  stats: 'errors-only',
};
