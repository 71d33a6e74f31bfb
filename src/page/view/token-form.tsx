import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface TokenFormProps {
  readonly wasGiven: boolean;
  readonly onToken: (token: string) => void;
}

/** Asked once per tab: the token stays in the tab's session storage. */
export function TokenForm({ wasGiven, onToken }: TokenFormProps): VNode {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <form
      class="token panel"
      onSubmit={(event) => {
        event.preventDefault();
        const token = input.current?.value.trim() ?? '';
        if (token !== '') onToken(token);
      }}
    >
      <label for="token">This API is protected: give its token.</label>
      <div class="line">
        <input ref={input} id="token" type="password" autocomplete="off" required aria-describedby="token-note" />
        <button type="submit">Open</button>
      </div>
      <p id="token-note" class={wasGiven ? 'bad' : 'quiet'} role={wasGiven ? 'alert' : undefined}>
        {wasGiven
          ? 'That token is wrong.'
          : 'It is kept in this tab until the tab is closed, and sent to this server only.'}
      </p>
    </form>
  );
}
