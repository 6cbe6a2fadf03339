import { init, traced } from 'webspan';

const endpoint = new URLSearchParams(location.search).get('endpoint');
const webspan = init({ serviceName: 'vite', endpoint, batch: { scheduledDelayMillis: 50 } });

// In the same task as `init`: before anything that has to be loaded can be there.
const first = fetch('/api?first').then((response) => response.text());

Object.assign(window, { webspan, traced, first });
