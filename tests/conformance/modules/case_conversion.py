"""The official ``sdk-test-case-conversion`` module: names of every case, with digits in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spacetime_proto.server import U8, U32, Context, Module, ViewContext, column, sum_type

if TYPE_CHECKING:
    from spacetime_proto.types import SumValue

__all__ = ["make_module"]


def make_module() -> Module:
    """Return a new module with tables of its own."""
    module = Module()

    @sum_type
    class Player2Status:
        active1: None
        bannedUntil: U32  # as in the original

    @module.type
    class Person3Info:
        AgeValue1: U8 = column(name="age_value_1")
        ScoreTotal: U32 = column(name="score_total")

    @module.table(name="Player1Canonical", accessor="player1", public=True)
    class Player1:
        Player1Id: U32 = column(name="player_1_id", primary_key=True, auto_increment=True)
        player_name: str
        currentLevel2: U32 = column(name="current_level_2")
        status3Field: Player2Status = column(name="status_3_field")

    @module.table(name="person_2", accessor="person2", public=True)
    class Person2:
        Person2Id: U32 = column(name="person_2_id", primary_key=True, auto_increment=True)
        FirstName: str = column(name="first_name")
        playerRef: U32 = column(name="player_ref", index="btree")
        personInfo: Person3Info = column(name="person_info")

    @module.reducer(name="create_player_1")
    def CreatePlayer1(ctx: Context, Player1Name: str, Start2Level: U32) -> None:
        status: SumValue = Player2Status.active1()  # type: ignore[misc]
        ctx.db.player1.insert(
            Player1(
                Player1Id=0, player_name=Player1Name, currentLevel2=Start2Level, status3Field=status
            )
        )

    @module.reducer(name="add_person_2")
    def AddPerson2(
        ctx: Context,
        First3Name: str,
        playerRef: U32,
        AgeValue: U8,
        ScoreTotal: U32,
    ) -> None:
        info = Person3Info(AgeValue1=AgeValue, ScoreTotal=ScoreTotal)
        ctx.db.person2.insert(
            Person2(Person2Id=0, FirstName=First3Name, playerRef=playerRef, personInfo=info)
        )

    @module.reducer(name="banPlayer1")
    def BanPlayer1(ctx: Context, Player1Id: U32, BanUntil6: U32) -> None:
        player = ctx.db.player1.Player1Id.find(Player1Id)
        if player is None:
            raise ValueError(f"no player {Player1Id}")
        status: SumValue = Player2Status.bannedUntil(BanUntil6)  # type: ignore[misc, operator]
        ctx.db.player1.Player1Id.update(replace(player, status3Field=status))

    @module.view(name="Level2Person", anonymous=True, primary_key="Person2Id")
    def person_at_level_2(ctx: ViewContext) -> list[Person2]:
        players = [row for row in ctx.db.player1 if row.currentLevel2 == 2]
        return [
            person
            for player in players
            for person in ctx.db.person2.playerRef.filter(player.Player1Id)
        ]

    return module
