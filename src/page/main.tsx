import { render } from 'preact';
import { ApiClient } from './api/client.ts';
import { EventStream } from './api/event-stream.ts';
import { LiveState } from './state/live-state.ts';
import { PageStore } from './state/page-state.ts';
import { applyTheme, storedTheme } from './state/theme.ts';
import { App } from './view/app.tsx';

applyTheme(storedTheme());
const client = new ApiClient();
const store = new PageStore();
const live = new LiveState({ client, store });
const stream = new EventStream({
  client,
  handlers: {
    onOpen: () => live.load(),
    onEvent: (event) => live.take(event),
    onChange: (connection) => store.set({ connection }),
  },
});
const root = document.getElementById('page');
if (root !== null) {
  render(
    <App
      store={store}
      client={client}
      onToken={(token) => {
        client.setToken(token);
        stream.unlock();
      }}
    />,
    root,
  );
}
void stream.run();
void live.poll();
