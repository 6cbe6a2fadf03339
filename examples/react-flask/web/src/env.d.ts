// What vite.config.ts publishes to the page.
interface ImportMetaEnv {
  readonly VITE_OTEL_SERVICE_NAME: string;
  readonly VITE_OTEL_EXPORTER_OTLP_ENDPOINT: string;
  readonly VITE_SHOP_API_URL: string;
  readonly VITE_SHOP_VIEWER_URL: string;
}
