import { render } from "preact";

render(<p>review</p>, document.getElementById("app") as HTMLElement);
