import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const NODE_GLOBALS = ['console', 'process', 'URL', 'URLSearchParams', 'Buffer', 'require', 'module', '__dirname'];
/** For the functions in a script that run in the page. */
const PAGE_GLOBALS = ['document', 'window'];

export default defineConfig(
  globalIgnores(['node_modules/', 'artifacts/', 'coverage/', '.browser/']),
  js.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // Numbers in messages are meant.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `() => set(x)` as a handler reads better than a block.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Saved JSON can be anything: absent and unknown values are looked for where the types exclude them.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Select is deprecated since Grafana 12, but its successor is absent before Grafana 11.
      '@typescript-eslint/no-deprecated': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['src/**/*.{ts,tsx}'],
    ...reactHooks.configs.flat.recommended,
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: {
      globals: Object.fromEntries([...NODE_GLOBALS, ...PAGE_GLOBALS].map((name) => [name, 'readonly'])),
    },
  },
  {
    files: ['*.config.js'],
    languageOptions: { sourceType: 'commonjs' },
  },
);
