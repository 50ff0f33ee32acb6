/** Puts the page together. Everything is built here and handed on; no module looks for another. */

import { Announcer } from "./announcer";
import { startActions, writeClipboard } from "./actions";
import { Banner } from "./banner";
import { Chat } from "./chat";
import { Column } from "./column";
import { Composer } from "./composer";
import { closeDialog, remove, rename, showHelp } from "./dialogs";
import { byId } from "./dom";
import { Drafts } from "./drafts";
import { startKeys } from "./keys";
import { startMenus } from "./menu";
import { ModelPicker } from "./models";
import { readPageData } from "./page";
import { keepPlace } from "./place";
import { Follower } from "./scroll";
import { Sidebar } from "./sidebar";
import { Line } from "./socket";
import { startThemeMenu } from "./theme-menu";

const page = readPageData();
const thread = byId("thread");
const column = new Column(byId("column"));
const drafts = new Drafts(page.conversation);
const models = new ModelPicker(page.conversation === null);
const sidebar = new Sidebar(page.conversation, page.urls.new);
const follower = new Follower(thread, column.element, byId("jump"));

startMenus();
startThemeMenu();

const banner = new Banner(page.urls.login, () => line.hurry());
const chat = new Chat({ page, column, drafts, models, sidebar, follower, announcer: new Announcer(), banner });
const composer = new Composer(drafts, { send: (words) => chat.send(words), stop: () => chat.stop() });

const address = new URL(page.socket, location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const line: Line = new Line(address.href, {
  event: (run, event) => chat.onEvent(run, event),
  notice: (notice) => {
    if (notice.name === "live.delayed") banner.setDelayed(notice.delayed ?? false);
    else chat.notices.take(notice);
  },
  state: (state) => {
    banner.set(state);
    chat.onLine(state);
  },
  limits: (limits) => chat.onLimits(limits),
  unfollowable: (run) => chat.onUnfollowable(run),
}, page.user);
chat.line = line;
chat.composer = composer;
startActions(column.element, chat, models, page);

const pageActions: Record<string, () => void> = {
  "toggle-sidebar": () => sidebar.toggle(),
  rename: () => void rename(chat, page),
  delete: () => void remove(chat, page),
  help: showHelp,
  "close-dialog": closeDialog,
};
document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>("[data-action]");
  pageActions[button?.dataset["action"] ?? ""]?.();
  const starter = (event.target as Element).closest<HTMLElement>("[data-starter]");
  if (starter) {
    composer.restore(starter.dataset["starter"] ?? "");
    composer.focus();
  }
});

startKeys({
  newChat: () => location.assign(page.urls.new),
  toggleSidebar: () => sidebar.toggle(),
  closeDrawer: () => {
    const wasOpen = sidebar.isDrawerOpen;
    if (wasOpen) sidebar.setDrawer(false);
    return wasOpen;
  },
  focusComposer: () => composer.focus(),
  stop: () => chat.stop(),
  copyLast: () => {
    const last = [...column.element.querySelectorAll(".turn--assistant")].at(-1);
    if (last) void writeClipboard(Column.sourceOf(last));
  },
  help: showHelp,
});

addEventListener("popstate", () => location.reload());

keepPlace(thread, column.element, follower, () => chat.conversation);
line.connect();
chat.followFrom(page);
