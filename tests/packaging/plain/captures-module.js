import { init } from './node_modules/webspan/dist/index.js';
import { eventSource, longTasks, userInteraction, webSocket, webVitals } from './node_modules/webspan/dist/captures.js';

const endpoint = new URLSearchParams(location.search).get('endpoint');
const webspan = init({
  serviceName: 'captures',
  endpoint,
  batch: { scheduledDelayMillis: 50 },
  instrumentations: { documentLoad: false },
  captures: [userInteraction(), longTasks(), webVitals(), eventSource(), webSocket()],
});

const first = fetch('/api?first').then((response) => response.text());

document.body.innerHTML = '<button>Ask</button>';
document.querySelector('button').addEventListener('click', () => fetch('/api?click').then((response) => response.text()));

Object.assign(window, { webspan, first });
