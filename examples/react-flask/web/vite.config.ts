import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// What the page may know of the environment, under the names that Vite hands to pages. A list and not `envPrefix: 'OTEL_'`:
// the prefix would also publish OTEL_EXPORTER_OTLP_HEADERS, which often holds a key.
for (const name of ['OTEL_SERVICE_NAME', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'SHOP_API_URL', 'SHOP_VIEWER_URL']) {
  process.env[`VITE_${name}`] ??= process.env[name] ?? '';
}

export default defineConfig({
  plugins: [react()],
  server: {
    // `webspan` is linked to this repository instead of installed from npm, so its files lie outside this folder.
    fs: { allow: ['.', fileURLToPath(new URL('../../../dist', import.meta.url))] },
  },
});
