import './telemetry.ts'; // first, so that the very first request is traced
import './shop.css';
import { createRoot } from 'react-dom/client';
import { Shop } from './Shop.tsx';

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no element with the id "root".');

// No StrictMode: in development it mounts everything twice, and each trace would show every request twice.
createRoot(root).render(<Shop />);
