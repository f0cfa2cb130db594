import pytest

from tests.browser.fake_push import FakePush, now_ms

D={"phone":"phone","small phone":"small","desktop":"desktop"}
@pytest.mark.parametrize("device", list(D))
@pytest.mark.parametrize("theme", ["dark","light"])
def test_look(visit, pit, anna, device, theme):
    d=D[device]
    pit.open_round()
    page=visit(anna, device=device, theme=theme)
    f=FakePush(page, pit.table.id)
    f.results=[[n,100-i] for i,n in enumerate([8,26,0,19,32,11,4,29,21,36,13,2,17,33,9])]
    f.open_round(101, tell=False)
    page.goto(f"/tables/{pit.table.id}/")
    f.joined()
    page.wait_for_timeout(700)
    for code in ("split:14-17","corner:25-26-28-29"):
        pass
    page.locator("button[value='straight:32']").click(); page.locator("button[value='black']").click()
    f.answer=lambda said: None
    page.locator("button[value='dozen:1']").click()
    page.wait_for_timeout(300)
    out="/tmp/h4/shot"
    page.screenshot(path=f"{out}-{d}-{theme}-1open.png")
    print(device, theme, "nodes", page.evaluate("document.querySelectorAll('*').length"))
    if theme=="dark":
        f.answer=f.accept
        if device!="desktop":
            page.get_by_role("button",name="Racetrack").click(); page.wait_for_timeout(200)
            page.screenshot(path=f"{out}-{d}-{theme}-2race.png")
            page.locator(".back-to-felt").click()
            page.get_by_role("button",name="Inside").click()
            page.locator("button[value='straight:17']").click(); page.wait_for_timeout(300)
            page.screenshot(path=f"{out}-{d}-{theme}-3sheet.png")
            page.keyboard.press("Escape")
        else:
            page.locator("button[value='straight:17']").focus()
            page.keyboard.press("Shift+ArrowRight"); page.wait_for_timeout(200)
            page.screenshot(path=f"{out}-{d}-{theme}-2edge.png")
            page.keyboard.press("?"); page.wait_for_timeout(200)
            page.screenshot(path=f"{out}-{d}-{theme}-3keys.png")
            page.keyboard.press("Escape")
        f.phase("closing_soon"); page.wait_for_timeout(200)
        page.screenshot(path=f"{out}-{d}-{theme}-4last.png")
        f.account(round=101,bets=[["straight:32",100,None,"accepted"],["black",500,None,"accepted"],["split:14-17",100,None,"accepted"]],on_table_minor=700,balance_minor=49300)
        f.phase("no_more_bets"); page.wait_for_timeout(200)
        page.screenshot(path=f"{out}-{d}-{theme}-5closed.png")
        f.phase("spinning"); page.wait_for_timeout(200)
        page.screenshot(path=f"{out}-{d}-{theme}-6spin.png")
        f.official(17,"black"); f.account(bets=[["straight:32",100,0,"lost"],["black",500,1000,"won"],["split:14-17",100,1800,"won"]],on_table_minor=0,balance_minor=52100,net_minor=2100, reveal_at=now_ms())
        f.phase("settled",result=17,colour="black",next_at=now_ms()+6000)
        page.wait_for_timeout(600)
        page.screenshot(path=f"{out}-{d}-{theme}-7settled.png")
        f.event("suspended",{"round":101,"phase":"suspended","fault":"device_fault"}); page.wait_for_timeout(300)
        page.screenshot(path=f"{out}-{d}-{theme}-8stop.png")
        f.greets=False
        f.socket.close(code=1011); page.wait_for_timeout(300)
        page.screenshot(path=f"{out}-{d}-{theme}-9lost.png")
